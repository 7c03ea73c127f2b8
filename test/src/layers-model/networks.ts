/** LayersModels of several topologies for the facade's tests, adapters that have moved, and what is compared. */
import * as tf from "@tensorflow/tfjs"
import type { AdaptedLayersModel } from "../../../src/layers-model/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { tensorsOf, withTensors } from "../../../src/tensors/trainable.ts"

const symbolic = (...layers: ReadonlyArray<tf.layers.Layer>) => {
  const through = (x: tf.SymbolicTensor) => layers.reduce((y, layer) => layer.apply(y) as tf.SymbolicTensor, x)
  return through
}

/** Numbers in [−1, 1) from a seed. */
export const uniform = (shape: ReadonlyArray<number>, seed: number): tf.Tensor => {
  const next = randomStream(seed, "networks")
  const size = shape.reduce((product, n) => product * n, 1)
  return tf.tensor(
    Float32Array.from({ length: size }, () => 2 * next() - 1),
    [...shape]
  )
}

/** Weights from a seed, so that two calls give equal models. */
const seeded = (model: tf.LayersModel, seed = 1): tf.LayersModel => {
  const weights = tf.tidy(() =>
    model.getWeights().map((weight, i) => {
      const drawn = tf.mul(uniform(weight.shape, seed + i), weight.rank > 1 ? 0.5 : 0.1)
      return /variance/.test(model.weights[i]!.originalName) ? tf.add(tf.abs(drawn), 0.5) : drawn
    })
  )
  model.setWeights(weights)
  tf.dispose(weights)
  return model
}

/** Convolutions with batch normalisation and a residual, then a dense layer "logits" of 4. [8, 8, 3] in. */
export const convnet = (seed = 1): tf.LayersModel => {
  const input = tf.input({ shape: [8, 8, 3] })
  const first = symbolic(
    tf.layers.conv2d({
      filters: 6,
      kernelSize: [3, 2],
      strides: 2,
      padding: "same",
      activation: "relu",
      name: "first"
    }),
    tf.layers.batchNormalization({ name: "norm" })
  )(input)
  const second = tf.layers
    .conv2d({ filters: 6, kernelSize: 3, padding: "same", useBias: false, name: "second" })
    .apply(first) as tf.SymbolicTensor
  const sum = tf.layers.add().apply([first, second]) as tf.SymbolicTensor
  const output = symbolic(
    tf.layers.globalAveragePooling2d({}),
    tf.layers.dense({ units: 4, activation: "softmax", name: "logits" })
  )(sum)
  return seeded(tf.model({ inputs: input, outputs: output, name: "convnet" }), seed)
}

/** Two inputs, an encoder that both go through, two outputs; a sequential model inside. */
export const siamese = (seed = 1): tf.LayersModel => {
  const [left, right] = [tf.input({ shape: [6], name: "left" }), tf.input({ shape: [6], name: "right" })]
  const encoder = tf.sequential({
    name: "encoder",
    layers: [
      tf.layers.dense({ units: 8, activation: "tanh", inputShape: [6], name: "hidden" }),
      tf.layers.dense({ units: 5, name: "code" })
    ]
  })
  const codes = [left, right].map((input) => encoder.apply(input) as tf.SymbolicTensor)
  const joined = tf.layers.concatenate().apply(codes) as tf.SymbolicTensor
  const outputs = [
    tf.layers.dense({ units: 1, activation: "sigmoid", name: "same" }).apply(joined) as tf.SymbolicTensor,
    tf.layers.dense({ units: 5, name: "code" }).apply(joined) as tf.SymbolicTensor
  ]
  return seeded(tf.model({ inputs: [left, right], outputs, name: "siamese" }), seed)
}

/** Words through an embedding, both ways through a recurrence, and a layer at each step. [5] in. */
export const reader = (seed = 1): tf.LayersModel => {
  const { bidirectional, dense, embedding, gru, lstm, timeDistributed } = tf.layers
  const both = bidirectional({ layer: lstm({ units: 3, returnSequences: true }), mergeMode: "concat", name: "both" })
  const each = timeDistributed({ layer: dense({ units: 4, activation: "tanh" }), name: "each" })
  return seeded(
    tf.sequential({
      name: "reader",
      layers: [
        embedding({ inputDim: 9, outputDim: 4, inputLength: 5, name: "words" }),
        both,
        each,
        gru({ units: 3, name: "last" }),
        dense({ units: 2, name: "label" })
      ]
    }),
    seed
  )
}

/** A picture through a depthwise and a separable convolution. [6, 6, 3] in. */
export const mobile = (seed = 1): tf.LayersModel => {
  const { batchNormalization, depthwiseConv2d, dense, globalAveragePooling2d, separableConv2d } = tf.layers
  return seeded(
    tf.sequential({
      name: "mobile",
      layers: [
        depthwiseConv2d({ kernelSize: 3, inputShape: [6, 6, 3], name: "depthwise" }),
        batchNormalization({ name: "norm" }),
        separableConv2d({ filters: 5, kernelSize: 2, name: "separable" }),
        globalAveragePooling2d({}),
        dense({ units: 3, name: "label" })
      ]
    }),
    seed
  )
}

/** A sequential model; its kernels may not be negative. */
export const sequential = (seed = 1): tf.LayersModel => {
  const kernelConstraint = () => tf.constraints.nonNeg()
  return seeded(
    tf.sequential({
      name: "stack",
      layers: [
        tf.layers.dense({
          units: 7,
          activation: "relu",
          inputShape: [6],
          name: "one",
          kernelConstraint: kernelConstraint()
        }),
        tf.layers.dense({ units: 3, name: "two", kernelConstraint: kernelConstraint() })
      ]
    }),
    seed
  )
}

/** Adds noise to every trained number, as training would: adapters at their start are told apart from nothing. */
export const moved = (adapted: AdaptedLayersModel, seed = 9, by = 0.2): void => {
  const own = adapted.adapted
  const before = tensorsOf(own.trainable)
  own.trainable = withTensors(
    own.trainable,
    before.map((tensor, i) => tf.tidy(() => tf.add(tensor, tf.mul(uniform(tensor.shape, seed + i), by))))
  )
  tf.dispose([...before])
  adapted.refresh()
}

/** All numbers of some outputs, one after the other; the tensors are disposed. */
export const numbers = async (outputs: tf.Tensor | ReadonlyArray<tf.Tensor>): Promise<ReadonlyArray<number>> => {
  const tensors = [outputs].flat() as ReadonlyArray<tf.Tensor>
  const found: Array<number> = []
  for (const tensor of tensors) found.push(...(await tensor.data()))
  tf.dispose([...tensors])
  return found
}

/** The base's weights, to be compared to the bit. */
export const weightsOf = async (model: tf.LayersModel): Promise<ReadonlyArray<number>> => {
  const found: Array<number> = []
  for (const weight of model.getWeights()) found.push(...(await weight.data()))
  return found
}
