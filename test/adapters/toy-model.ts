/**
 * The smallest `Model` that an adapter can meet: embeddings, their mean, two square layers of equal shape and a third, each behind
 * a tanh, and a head. Small enough for exact bookkeeping; it has nothing of a real family but the contract.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { denseLinear } from "../../src/kernels/dense-linear.ts"
import { textToDevice } from "../../src/models/load.ts"
import type { Model, ParameterSpec, TokenBatch } from "../../src/models/model.ts"
import { gaussian, randomStream } from "../../src/numbers/random.ts"
import type { Linear, LinearSite, Weights } from "../../src/tensors/trainable.ts"

const VOCABULARY = 11
const HIDDEN = 8
const WIDE = 12
const labels = ["no", "maybe", "yes"]

const sites: ReadonlyArray<LinearSite> = [
  { name: "block.0.dense", kind: "dense", out: HIDDEN, in: HIDDEN },
  { name: "block.1.dense", kind: "dense", out: HIDDEN, in: HIDDEN },
  { name: "last.wide", kind: "dense", out: WIDE, in: HIDDEN }
]

const linearParameters = ({ name, out, in: inputs }: Pick<LinearSite, "name" | "out" | "in">) => [
  { name: `${name}.weight`, shape: [out, inputs] },
  { name: `${name}.bias`, shape: [out] }
]

const parameters: ReadonlyArray<ParameterSpec> = [
  { name: "embeddings.weight", shape: [VOCABULARY, HIDDEN] },
  ...sites.flatMap(linearParameters)
]

const head = linearParameters({ name: "head", out: labels.length, in: WIDE })

const forward = ({ inputIds, attentionMask }: TokenBatch, linear: Linear, weights: Weights): Tensor2D =>
  tf.tidy(() => {
    const embedded = tf.gather(weights("embeddings.weight"), inputIds) // [batch, length, hidden]
    const masked = tf.mul(embedded, tf.expandDims(attentionMask, 2))
    const x = tf.div(tf.sum(masked, 1), tf.sum(attentionMask, 1, true)) as Tensor2D
    const h = sites.reduce((input, site) => tf.tanh(linear(site, input)), x)
    return denseLinear(h, weights("head.weight") as Tensor2D, weights("head.bias") as Tensor1D)
  })

/** A model with N(0, 0.5²) weights that depend on their names alone, and what frees it. */
export const toyModel = (): { readonly model: Model; readonly dispose: () => void } => {
  const tensors = new Map<string, Tensor>()
  for (const { name, shape } of [...parameters, ...head]) {
    const random = randomStream(0, "toy", name)
    const size = shape.reduce((product, n) => product * n, 1)
    tensors.set(
      name,
      tf.tensor(
        Float32Array.from({ length: size }, () => 0.5 * gaussian(random)),
        [...shape]
      )
    )
  }
  const model: Model = {
    folder: "toy",
    family: "toy",
    sites,
    parameters,
    head: {
      pooling: "mean",
      output: "linear",
      parameters: head,
      inCheckpoint: new Set(),
      start: "normal",
      modulesToSave: []
    },
    labels,
    hiddenSize: HIDDEN,
    layers: 2,
    attentionHeads: 1,
    intermediateSize: WIDE,
    vocabularySize: VOCABULARY,
    tokenTypes: 2,
    maxLength: 16,
    prefix: "toy.",
    exported: {
      task: "FEATURE_EXTRACTION",
      nameOf: (name) => name,
      otherPrefix: "toy.",
      modulesToSave: [],
      ownHead: true,
      inBase: new Set(),
      tiedTo: () => [],
      fanInFanOut: false
    },
    tokenizer: { padId: 0, vocabularySize: VOCABULARY, encode: () => ({ ids: [], typeIds: [] }) },
    weights: (name) => {
      const tensor = tensors.get(name)
      if (tensor === undefined) throw new Error(`the toy model has no ${name}`)
      return tensor
    },
    toDevice: textToDevice,
    forward
  }
  return { model, dispose: () => tf.dispose([...tensors.values()]) }
}

/** Three rows of up to four tokens. */
export const toyTokens = (): TokenBatch => ({
  inputIds: tf.tensor2d([1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 0], [3, 4], "int32"),
  tokenTypeIds: tf.zeros([3, 4], "int32") as Tensor2D,
  attentionMask: tf.tensor2d([1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0], [3, 4])
})
