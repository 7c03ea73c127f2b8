/** Options of `openSession`: a plan's defaults, and all that is wrong with them in a plan's words, before the optimizer's state is made. */
import { beforeAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TrainingSection } from "../../../schemas/index.ts"
import { fromConfig, sgd } from "../../../src/optimizers/index.ts"
import { crossEntropy, openSession, type SessionOptions } from "../../../src/training/index.ts"
import { tinyAdapted } from "./tiny-session.ts"

beforeAll(() => tf.setBackend("cpu"))

const opened = (options: unknown) =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(tinyAdapted("lora"), (adapted) => openSession(adapted, options as SessionOptions)))
  )

const problems = async (options: unknown): Promise<ReadonlyArray<string>> => {
  const error = await opened(options).then(
    () => new Error("a session"),
    (failure: Error) => failure
  )
  return error.message.split("\n")
}

const optimizer = sgd({ learningRate: 0.1 })

test("what is left out, or undefined, has a plan's default", async () => {
  const session = await opened({ optimizer, loss: crossEntropy, accumulate: undefined })
  const { accumulate, recompute } = Schema.decodeUnknownSync(TrainingSection)({ steps: 1 })
  expect(session).toMatchObject({ accumulate, recompute })
})

test("wrong options are reported at once", async () => {
  const wrong = { optimizer, loss: crossEntropy, accumulate: 0, recompute: "block", acumulate: 2 }
  expect(await problems(wrong)).toEqual([
    'Training.openSession: acumulate: unknown key; did you mean "accumulate"? (allowed: optimizer, loss, accumulate, recompute)',
    "Training.openSession: accumulate: found 0; expected an integer of at least 1",
    'Training.openSession: recompute: found "block"; expected one of "none", "blocks"; did you mean "blocks"?'
  ])
})

test("an effect of an optimizer is not an optimizer, and a loss is required", async () => {
  const [first, second] = await problems({ optimizer: fromConfig({ kind: "sgd", learningRate: 1 }, 1) })
  expect(first).toMatch(/^Training\.openSession: optimizer: found .*; expected an optimizer, such as adamw\(/)
  expect(second).toBe("Training.openSession: loss: missing; expected a loss, such as Training.crossEntropy")
})
