/** A small BERT with random weights and a batch for it: what a training step is measured on where there may be no checkpoint. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Batch } from "../data/index.ts"
import { type Model, randomBert } from "../models/index.ts"

/** Two blocks of all-MiniLM-L6-v2's shape. */
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

/** What a step of it is, in words. */
export const STEP = `a LoRA step, ${CONFIG.layers} layers of ${CONFIG.hiddenSize}, ${BATCH} × ${LENGTH} tokens`

/** Its tensors live as long as the scope. Needs an open device. */
export const randomEncoder: Effect.Effect<Model, never, Scope.Scope> = randomBert(CONFIG)

/** Rows without padding. Time does not depend on the ids. */
export const syntheticBatch: Batch = {
  size: BATCH,
  length: LENGTH,
  inputIds: Int32Array.from({ length: BATCH * LENGTH }, (_, i) => (i * 37) % CONFIG.vocabularySize),
  tokenTypeIds: new Int32Array(BATCH * LENGTH),
  attentionMask: new Float32Array(BATCH * LENGTH).fill(1),
  labels: Int32Array.from({ length: BATCH }, (_, i) => i % CONFIG.labels.length),
  tokens: BATCH * LENGTH
}
