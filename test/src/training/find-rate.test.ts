/** `learningRate: "auto"`: a rate of the right size, found without a trace, again and again the same. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, none } from "../../../adapters/index.ts"
import type { OptimizerConfig } from "../../../schemas/index.ts"
import type { Network } from "../../../src/models/index.ts"
import { everyTensorOf } from "../../../src/tensors/trainable.ts"
import { crossEntropy, findRate, type Loss, withRate } from "../../../src/training/index.ts"
import { combinations, loraProFull } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { tinySession, valuesOf } from "./tiny-session.ts"

beforeAll(() => tf.setBackend("cpu"))

/** A transform that reads Grams and one that does not, an adapter that is not linear in W, weights themselves, and the head alone. */
const some = new Set(["lora lora-pro full", "dora lora-plus", "full sgd", "none adamw"])
const batches = [randomBatch(3, 6, 1), randomBatch(5, 6, 2)]
const auto = ({ headLearningRate: _, ...config }: OptimizerConfig): OptimizerConfig => ({
  ...config,
  learningRate: "auto"
})

describe("of a small BERT", () => {
  for (const [method, name, config] of combinations.filter(([method, name]) => some.has(`${method} ${name}`))) {
    test(`${method} with ${name}: nothing is changed or left behind, and the same is found again`, () =>
      Effect.runPromise(
        Effect.gen(function* () {
          const { adapted } = yield* tinySession(config, { method })
          const tested = { adapted, loss: crossEntropy, recompute: "none" } as const
          const tensors = everyTensorOf(adapted.trainable)
          const before = yield* valuesOf(adapted.trainable)
          const held = tf.memory().numTensors
          const found = yield* findRate(tested, auto(config), batches, 100)
          expect(tf.memory().numTensors).toBe(held)
          expect(everyTensorOf(adapted.trainable)).toEqual(tensors)
          expect(yield* valuesOf(adapted.trainable)).toEqual(before)
          expect(yield* findRate(tested, auto(config), batches, 100)).toEqual(found)
          // head and body are trained at rates of their own, unless there is the head alone
          expect(found.headLearningRate !== undefined).toBe(true)
          expect(found.passes.backward).toBe(1)
          expect(found.passes.forward).toBeLessThanOrEqual(6)
        }).pipe(Effect.scoped)
      ))
  }

  test("the head's rate is the plan's where it has one, and costs nothing", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { adapted } = yield* tinySession(loraProFull)
        const tested = { adapted, loss: crossEntropy, recompute: "none" } as const
        const own = yield* findRate(tested, { ...auto(loraProFull), headLearningRate: 3 }, batches, 100)
        expect(own).not.toHaveProperty("headLearningRate")
        expect(withRate({ ...auto(loraProFull), headLearningRate: 3 }, own).headLearningRate).toBe(3)
        expect(own.learningRate).toBe((yield* findRate(tested, auto(loraProFull), batches, 100)).learningRate)
        expect(own.passes.forward).toBeLessThanOrEqual(3)
      }).pipe(Effect.scoped)
    ))
})

/** One number w, whose loss is a function of it. */
const oneNumber = (start: number) =>
  Effect.gen(function* () {
    const w = yield* Effect.acquireRelease(
      Effect.sync(() => tf.scalar(start)),
      (tensor) => Effect.sync(() => tensor.dispose())
    )
    const model = {
      sites: [],
      parameters: [],
      head: { parameters: [{ name: "w", shape: [] }] },
      prefix: "",
      weights: () => w,
      toDevice: () => ({ input: null, target: null }),
      forward: (_: unknown, __: unknown, weights: (name: string) => tf.Tensor) => weights("w")
    } satisfies Network
    return yield* inject(model, none, {})
  })

const sgd: OptimizerConfig = {
  kind: "sgd",
  momentum: 0,
  learningRate: "auto",
  weightDecay: 0,
  clipNorm: null,
  schedule: { kind: "constant" }
}
const found = (start: number, lossOf: (w: tf.Scalar) => tf.Tensor) =>
  Effect.gen(function* () {
    const adapted = yield* oneNumber(start)
    const loss: Loss<Network> = (w) => lossOf(w as tf.Scalar) as tf.Scalar
    return yield* findRate({ adapted, loss, recompute: "none" }, sgd, [{ size: 1, tokens: 1 }], 100)
  }).pipe(Effect.scoped, Effect.runPromise)

describe("of one number", () => {
  test.each([1e-4, 1, 1e4])(
    "a quadratic of curvature %p: below what diverges, above a hundredth of it",
    async (curvature) => {
      const { learningRate } = await found(3, (w) => tf.mul(curvature / 2, tf.square(w)))
      expect(learningRate).toBeLessThan(2 / curvature)
      expect(learningRate).toBeGreaterThan(0.02 / curvature)
    }
  )

  test("the same however large the loss is that no step moves", async () => {
    const quadratic = (constant: number) => found(3, (w) => tf.add(constant, tf.mul(0.5, tf.square(w))))
    const [small, large] = [await quadratic(0), await quadratic(500)]
    expect(large.learningRate / small.learningRate).toBeGreaterThan(0.5)
    expect(large.learningRate / small.learningRate).toBeLessThan(2)
  })

  test("a loss that is not finite on the way means a smaller rate", async () => {
    // moved by η/2·(1 − w)^−½, and NaN from w = 1 on
    const { learningRate, passes } = await found(0, (w) => tf.add(1e4, tf.sqrt(tf.sub(1, w))))
    expect(learningRate).toBeLessThan(2)
    expect(learningRate).toBeGreaterThan(0)
    expect(passes.forward).toBeGreaterThan(3)
  })

  test("where no rate is any good it says what to do", async () => {
    let calls = 0
    const once = (w: tf.Scalar) => tf.mul(w, calls++ === 0 ? 1 : Number.NaN)
    await expect(found(3, once)).rejects.toThrow(
      /^optimizer.learningRate: "auto" found no rate: for the head, no rate down to .* lowers the loss of the first step's rows; set optimizer.learningRate to a number for this run$/
    )
    await expect(found(3, (w) => tf.mul(w, 0))).rejects.toThrow("its gradient is 0 at the start")
    await expect(found(3, (w) => tf.mul(w, Number.NaN))).rejects.toThrow("the loss before the first step is NaN")
  })
})
