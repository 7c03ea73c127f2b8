/** What transformers writes with the golden T5 models: greedy and by beams, in a batch, alone, and in sizes of a GPU. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { unadapted } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import { type WriteOptions, writeTargets } from "../../../src/generation/index.ts"
import type { Seq2SeqModel } from "../../../src/models/seq2seq/index.ts"
import { describeOn } from "../../backends.ts"
import { folderOf } from "../models/causal/causal-golden.ts"
import { goldens, runScoped } from "../models/golden.ts"
import { openGolden } from "../models/seq2seq/seq2seq-golden.ts"
import { openDevice } from "./writing.ts"

interface Golden {
  readonly model: string
  readonly eos: number
  readonly max_new_tokens: number
  readonly sources: ReadonlyArray<ReadonlyArray<number>>
  readonly ways: ReadonlyArray<{
    readonly beams: number
    readonly length_penalty: number
    readonly written: ReadonlyArray<{ readonly ids: ReadonlyArray<number>; readonly log_probability: number }>
  }>
}

const written: ReadonlyArray<Golden> = await Bun.file(join(goldens, "seq2seq/generate.json")).json()

/** float32 sums of ten logarithms of up to 5 each, on both sides; measured: 5e-6. GPUs' exponentials are good to fewer digits. */
const CLOSE = { wasm: 1e-4, webgpu: 1e-3 }

const targets = (
  model: Seq2SeqModel,
  sources: ReadonlyArray<ReadonlyArray<number>>,
  options: WriteOptions,
  multiple = 1
) =>
  Effect.flatMap(unadapted(model), (adapted) => writeTargets(adapted, sources, options)).pipe(
    Effect.provideService(Device, openDevice(multiple))
  )

for (const backend of ["wasm", "webgpu"] as const)
  describeOn(backend, () => {
    for (const golden of written) {
      const { sources, ways, max_new_tokens: maxNewTokens } = golden
      test(`${golden.model}: the tokens of transformers and their probabilities`, () =>
        runScoped(
          Effect.gen(function* () {
            const model = { ...(yield* openGolden(folderOf(golden.model))), eosId: golden.eos }
            const finishes = new Set<string>()
            for (const { beams, length_penalty: lengthPenalty, written: expected } of ways) {
              const options = { beams, lengthPenalty, maxNewTokens }
              const together = yield* targets(model, sources, options)
              expect(together.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids))
              for (const [i, { logProbability, finish }] of together.entries()) {
                expect(Math.abs(logProbability - expected[i]!.log_probability)).toBeLessThan(CLOSE[backend])
                finishes.add(finish)
              }
              // once is enough for how the batch lies on the device
              if (backend === "webgpu" || beams !== 4 || lengthPenalty !== 1) continue
              const padded = yield* targets(model, sources, options, 8)
              expect(padded.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids))
              const [alone] = yield* targets(model, sources.slice(1, 2), options)
              expect(alone!.ids).toEqual(expected[1]!.ids)
            }
            expect(finishes).toEqual(new Set(["eos", "length"]))
          })
        ))
    }

    test("the device holds nothing of it afterwards", () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(folderOf("t5"))
          const before = tf.memory().numTensors
          yield* targets(
            model,
            [
              [5, 6, 1],
              [7, 1]
            ],
            { beams: 2, maxNewTokens: 3 }
          )
          expect(tf.memory().numTensors).toBe(before)
        })
      ))

    test("all that is wrong with a request is said at once", () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(folderOf("t5"))
          const wrong = { maxNewTokens: 0, beams: 57, lengthPenalty: Number.NaN }
          const error = yield* Effect.flip(targets(model, [[], [3, 112]], wrong))
          expect(error.message.split("\n").filter((line) => line.trim() !== "")).toEqual([
            "maxNewTokens is 0; expected an integer of at least 1",
            "beams is 57; expected an integer from 1 to half of the model's 112 tokens",
            "lengthPenalty is NaN; expected a finite number",
            "source 1 has no token, and a model reads one at least; write something",
            "source 2 has the token 112; the model's are 0 to 111"
          ])
        })
      ))
  })
