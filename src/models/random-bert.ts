/** A BERT with random weights, made in memory: to measure a training step where there may be no checkpoint. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { gaussian, randomStream } from "../numbers/index.ts"
import { bert, bertKind, bertParts, type EncoderConfig } from "./bert.ts"
import { exportedEncoder } from "./describe.ts"
import { encoderOf } from "./encoder.ts"
import { headLayers, newHeadParameters } from "./head.ts"
import { forwardOf, textToDevice } from "./load.ts"
import type { HeadSpec, Model } from "./model.ts"

/** BERT's own initialization: N(0, 0.02²). */
const DEVIATION = 0.02

const initial = (name: string, shape: ReadonlyArray<number>): Float32Array => {
  const data = new Float32Array(shape.reduce((size, n) => size * n, 1))
  if (shape.length === 1) return data.fill(name.endsWith("LayerNorm.weight") ? 1 : 0)
  const random = randomStream(0, name)
  return data.map(() => DEVIATION * gaussian(random))
}

/** Creates a classifier over mean pooling with random weights, which live as long as the scope. Requires an open device. */
export const randomBert = (config: EncoderConfig): Effect.Effect<Model, never, Scope.Scope> =>
  Effect.gen(function* () {
    const encoder = encoderOf(bertParts(bertKind, config).config)
    const { sites, parameters, stack } = encoder
    const { labels, padId, positions: maxLength, vocabularySize } = config
    const head: HeadSpec = {
      pooling: "mean",
      output: "linear",
      parameters: headLayers(encoder, "mean", labels.length).classifier,
      inCheckpoint: new Set(),
      start: "normal",
      modulesToSave: []
    }
    const tensors = new Map<string, Tensor>()
    yield* Effect.addFinalizer(() => Effect.sync(() => tf.dispose([...tensors.values()])))
    const upload = (name: string, data: Float32Array, shape: ReadonlyArray<number>) =>
      void tensors.set(name, tf.keep(tf.tensor(data, [...shape], "float32")))
    for (const { name, shape } of parameters) upload(name, initial(name, shape), shape)
    for (const [name, { data, shape }] of newHeadParameters(head, 0)) upload(name, data, shape)
    const weights = (name: string) => tensors.get(name)!
    return {
      ...config,
      folder: "random weights",
      family: bert.name,
      sites,
      parameters,
      stack,
      head,
      maxLength,
      prefix: bert.prefix,
      exported: exportedEncoder(bert, head),
      tokenizer: { encode: () => ({ ids: [], typeIds: [] }), padId, vocabularySize },
      weights,
      toDevice: textToDevice,
      forward: forwardOf(encoder, head, weights)
    }
  })
