/**
 * A small BERT with random weights, made in memory: what a training step is measured on where there may be no
 * checkpoint.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Batch } from "../data/index.ts"
import { bert } from "../models/bert.ts"
import { encode, encoderOf, encoderParameters, encoderSites } from "../models/encoder.ts"
import { applyHead, headLayers, newHeadParameters } from "../models/head.ts"
import type { HeadSpec, Model } from "../models/index.ts"
import { textToDevice } from "../models/load.ts"
import { gaussian, randomStream } from "../numbers/index.ts"

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

/** BERT's own initialisation: N(0, 0.02²). */
const DEVIATION = 0.02

const startOf = (name: string, shape: ReadonlyArray<number>): Float32Array => {
  const data = new Float32Array(shape.reduce((size, n) => size * n, 1))
  if (shape.length === 1) return data.fill(name.endsWith("LayerNorm.weight") ? 1 : 0)
  const random = randomStream(0, name)
  return data.map(() => DEVIATION * gaussian(random))
}

/** Its tensors live as long as the scope. Needs an open device. */
export const randomEncoder: Effect.Effect<Model, never, Scope.Scope> = Effect.gen(function* () {
  const encoder = encoderOf(bert, CONFIG)
  const parameters = encoderParameters(encoder)
  const head: HeadSpec = {
    pooling: "mean",
    parameters: headLayers(encoder, "mean", CONFIG.labels.length).classifier,
    inCheckpoint: new Set(),
    start: "normal",
    modulesToSave: []
  }
  const tensors = new Map<string, Tensor>()
  yield* Effect.addFinalizer(() => Effect.sync(() => tf.dispose([...tensors.values()])))
  const upload = (name: string, data: Float32Array, shape: ReadonlyArray<number>) =>
    void tensors.set(name, tf.keep(tf.tensor(data, [...shape], "float32")))
  for (const { name, shape } of parameters) upload(name, startOf(name, shape), shape)
  for (const [name, { data, shape }] of newHeadParameters(head, 0)) upload(name, data, shape)
  const { labels, hiddenSize, layers, attentionHeads, intermediateSize, vocabularySize, positions } = CONFIG
  return {
    folder: "random weights",
    family: bert.name,
    sites: encoderSites(encoder),
    parameters,
    head,
    labels,
    hiddenSize,
    layers,
    attentionHeads,
    intermediateSize,
    vocabularySize,
    maxLength: positions,
    prefix: bert.prefix,
    tokenizer: { encode: () => ({ ids: [], typeIds: [] }), padId: CONFIG.padId, vocabularySize },
    weights: (name) => tensors.get(name)!,
    toDevice: textToDevice,
    forward: (batch, linear, weights, runBlock) =>
      tf.tidy(() => applyHead(encoder, head.pooling, encode(encoder, batch, linear, weights, runBlock), batch, weights))
  }
})

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
