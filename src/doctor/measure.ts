/** Measures a device in about two seconds: the rate of a large matrix product, and of training steps. */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../adapters/index.ts"
import type { Batch } from "../data/index.ts"
import { Device } from "../device/index.ts"
import { randomBert } from "../models/index.ts"
import { adamw } from "../optimizers/index.ts"
import { milliseconds } from "../progress/index.ts"
import { crossEntropy, openSession, takeStep } from "../training/index.ts"

/** Configuration of a BERT with random weights, so that no checkpoint is needed: two blocks of all-MiniLM-L6-v2's shape. */
const CONFIG = {
  hiddenSize: 384,
  layers: 2,
  attentionHeads: 12,
  intermediateSize: 1536,
  vocabularySize: 1000,
  positions: 64,
  tokenTypes: 2,
  layerNormEpsilon: 1e-12,
  activation: "erf",
  padId: 0,
  labels: ["a", "b"]
} as const

const BATCH = 4
const LENGTH = 32

/** Description of one of its training steps. */
export const STEP = `a LoRA step, ${CONFIG.layers} layers of ${CONFIG.hiddenSize}, ${BATCH} × ${LENGTH} tokens`

/** A batch of rows without padding. Times do not depend on the ids. */
const syntheticBatch: Batch = {
  size: BATCH,
  length: LENGTH,
  inputIds: Int32Array.from({ length: BATCH * LENGTH }, (_, i) => (i * 37) % CONFIG.vocabularySize),
  tokenTypeIds: new Int32Array(BATCH * LENGTH),
  attentionMask: new Float32Array(BATCH * LENGTH).fill(1),
  labels: Int32Array.from({ length: BATCH }, (_, i) => i % CONFIG.labels.length),
  tokens: BATCH * LENGTH
}

/** Tokens, columns and rows of W: the first product of a feed-forward layer in MiniLM, for 8 rows of 128 tokens. */
const [TOKENS, IN, OUT] = [1024, 384, 1536]

export const PRODUCT = `a product ${TOKENS}×${IN}×${OUT}`

/** Milliseconds for which each of the two is measured, after a first run that compiles it. */
const BUDGET = 1000
/** Minimum milliseconds of a repetition, so that waiting for its end is a small part of it. */
const LEAST = 50

export interface Rates {
  /** 10⁹ floating-point operations per second in the matrix product */
  readonly gflops: number
  readonly stepsPerSecond: number
}

/** Returns the runs per second of the fastest repetition: other programs can only slow it down. */
const timesASecond = <E, R>(run: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const { sync } = yield* Device
    yield* Effect.andThen(run, sync)
    let best = 0
    let count = 1
    for (const end = (yield* milliseconds) + BUDGET; (yield* milliseconds) < end; ) {
      const began = yield* milliseconds
      for (let i = 0; i < count; i++) yield* run
      yield* sync
      const duration = (yield* milliseconds) - began
      best = Math.max(best, (1000 * count) / duration)
      if (duration < LEAST) count *= 2
    }
    return best
  })

const products = Effect.gen(function* () {
  const [x, W] = yield* Effect.acquireRelease(
    Effect.sync(() => [tf.randomUniform([TOKENS, IN], -1, 1), tf.randomUniform([OUT, IN], -1, 1)] as const),
    (tensors) => Effect.sync(() => tf.dispose([...tensors]))
  )
  return yield* timesASecond(Effect.sync(() => tf.matMul(x as Tensor2D, W as Tensor2D, false, true).dispose()))
}).pipe(Effect.scoped)

const steps = Effect.gen(function* () {
  const model = yield* randomBert(CONFIG)
  const adapted = yield* inject(model, lora, {
    rank: 8,
    alpha: 16,
    scaling: "standard",
    init: { kind: "kaiming" },
    targets: "all-linear"
  })
  const session = yield* openSession(adapted, { optimizer: adamw({ learningRate: 1e-4 }), loss: crossEntropy })
  return yield* timesASecond(takeStep(session, [syntheticBatch]))
}).pipe(Effect.scoped)

/** Measures the current device. */
export const measure = Effect.gen(function* () {
  const device = yield* Device
  device.label(PRODUCT)
  const gflops = ((yield* products) * 2 * TOKENS * IN * OUT) / 1e9
  device.label("a training step")
  return { gflops, stepsPerSecond: yield* steps } satisfies Rates
})
