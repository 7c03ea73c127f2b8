/** `direction`: what raw gradients become before moments and learning rate, for every optimizer of a plan. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type DecidedOptimizer, mustBeDecided, OptimizerConfig } from "../../../schemas/optimizer.ts"
import {
  chain,
  clipByGlobalNorm,
  fromConfig,
  loraPro,
  partition,
  refLora,
  riemannian,
  scaleByAdam,
  scaleByLearningRate,
  type Transform
} from "../../../src/optimizers/index.ts"
import { mapTensors, type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { describeEverywhere } from "./everywhere.ts"
import { random, randomMatrix } from "./matrix.ts"
import { disposeState, pairOf, type Run, takeStep } from "./tensors.ts"

/** The same values at every call with the same seed. */
const tree = (seed: number): Trainable => {
  const next = random(seed)
  const pair = (out: number, columns: number, r: number, name: string) =>
    pairOf(randomMatrix(r, columns, next), randomMatrix(out, r, next), 2, name)
  return {
    pairs: [pair(6, 9, 2, "first"), pair(8, 5, 3, "second")],
    dense: [
      { name: "norm", role: "body", value: tf.tensor1d([1, -2, 3]) },
      { name: "head", role: "head", value: tf.tensor1d([4, 5]) }
    ]
  }
}

const values = (t: Trainable) => Promise.all(tensorsOf(t).map(async (x) => Array.from(await x.data())))
const refreshed = (transform: Transform, params: Trainable) =>
  Effect.runPromise(transform.refresh?.(transform.init(params), params) ?? Effect.succeed(transform.init(params)))

/** The direction of gradients tree(2) at the parameters tree(1). */
const directionOf = async (transform: Transform) => {
  const params = tree(1)
  return values(transform.direction!(tree(2), await refreshed(transform, params), params))
}

/** What a transform without moments makes of them at once. */
const updateOf = async (transform: Transform) => {
  const params = tree(1)
  return values(transform.update(tree(2), await refreshed(transform, params), params).updates)
}

const decode = (config: object): DecidedOptimizer =>
  mustBeDecided(Schema.decodeUnknownSync(OptimizerConfig)({ learningRate: 0.1, headLearningRate: 3, ...config }))

const made = (config: object) => Effect.runPromise(fromConfig(decode(config), 10))

const gradients = () => values(tree(2))
const withFactorB = async (ratio: number) =>
  (await gradients()).map((own, i) => (i === 1 || i === 3 ? own.map((x) => ratio * x) : own))

/** Riemannian preconditioning's, but for s⁻² = 1/4: AltLoRA's first step is B's alone, by it; the authors' code moves both, without it. */
const scaledBy = async (variant: "altlora" | "code") =>
  (await updateOf(riemannian({ damping: 1e-3 }))).map((own, i) => {
    if (i >= 4 || variant === "code") return own
    return own.map((x) => (i % 2 === 0 ? 0 : x / 4))
  })

/** By the plan's optimizer: what the gradients become. */
const cases: ReadonlyArray<readonly [string, object, () => Promise<ReadonlyArray<ReadonlyArray<number>>>]> = [
  ["sgd", { kind: "sgd", momentum: 0.9 }, gradients],
  ["adamw", { kind: "adamw", weightDecay: 0.1 }, gradients],
  ["lion", { kind: "lion" }, gradients],
  ["lora-plus", { kind: "lora-plus", ratio: 16 }, () => withFactorB(16)],
  ["riemannian", { kind: "riemannian", damping: 1e-3 }, () => updateOf(riemannian({ damping: 1e-3 }))],
  ["reflora", { kind: "reflora", warmupSteps: 0, damping: 1e-3 }, () => updateOf(refLora({ damping: 1e-3 }))],
  ["reflora in its warm-up", { kind: "reflora" }, gradients],
  ["altlora", { kind: "altlora", damping: 1e-3 }, () => scaledBy("altlora")],
  ["altlora-plus, the code", { kind: "altlora-plus", variant: "code", damping: 1e-3 }, () => scaledBy("code")],
  ...(["sylvester", "zero", "symmetric"] as const).flatMap((x) =>
    (["full", "efficient", "sgd"] as const).map(
      (form) =>
        [
          `lora-pro ${form}, X ${x}`,
          { kind: "lora-pro", form, x, damping: 1e-6 },
          () => updateOf(loraPro({ x, damping: 1e-6 }))
        ] as const
    )
  )
]

describeEverywhere("direction", () => {
  for (const [name, config, expected] of cases) {
    test(`${name}: of the raw gradients, whatever clips them or follows`, async () => {
      expect(await directionOf(await made(config))).toEqual((await expected()) as Array<Array<number>>)
      expect(await directionOf(await made({ ...config, clipNorm: 0.01 }))).toEqual(
        (await expected()) as Array<Array<number>>
      )
    })
  }

  test("it does not depend on moments, and leaves nothing behind in a tidy", async () => {
    const transform = await made({ kind: "lora-pro", learningRate: 1e-9, headLearningRate: 1e-9 })
    const params = tree(1)
    let run: Run = { params, state: transform.init(params) }
    for (let step = 0; step < 3; step++) run = await takeStep(transform, run, tree(5 + step))
    const before = tf.memory().numTensors
    tf.tidy(() => void transform.direction!(run.params, run.state, run.params))
    expect(tf.memory().numTensors).toBe(before)
    disposeState(run.state)
  })
})

describe("direction through compositions", () => {
  const times = (factor: number): Transform => ({
    init: () => null,
    update: (updates, state) => ({ updates, state }),
    direction: (updates) => mapTensors((u) => tf.mul(u, factor), updates)
  })
  const scaled = async (factors: ReadonlyArray<number>) =>
    (await gradients()).map((own, i) => own.map((x) => Math.fround(factors[i]! * x)))

  test("a chain applies each link that has one, in order; the others pass through", async () => {
    const add: Transform = { ...times(1), direction: (updates) => mapTensors((u) => tf.add(u, 1), updates) }
    const transform = chain(clipByGlobalNorm(1e-3), times(2), scaleByAdam(), add, scaleByLearningRate(7))
    const expected = (await gradients()).map((own) => own.map((x) => Math.fround(2 * x + 1)))
    expect(await directionOf(transform)).toEqual(expected)
  })

  test("a partition gives each part its own, in the order of the tree", async () => {
    const split = partition({ body: times(2), dense: scaleByAdam(), head: times(4) })
    expect(await directionOf(split)).toEqual(await scaled([2, 2, 2, 2, 1, 4]))
    expect(await directionOf(partition({ body: scaleByAdam(), head: times(4) }))).toEqual(
      await scaled([1, 1, 1, 1, 1, 4])
    )
  })
})
