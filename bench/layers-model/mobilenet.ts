/**
 * MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, Table 2) as a `tf.LayersModel` with random weights:
 * depthwise-separable convolutions, batch normalisation, ReLU6, residuals. At width 1 and 1,000 classes it has Keras's
 * 3,538,984 numbers.
 */
import * as tf from "@tensorflow/tfjs"

/** expansion t, channels c, repeats n, stride s of the first */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1]
] as const

interface Scope {
  /** of the next initializer */
  seed: number
}

const started = (scope: Scope) => tf.initializers.heNormal({ seed: scope.seed++ })

/** Normalised by other statistics than 0 and 1, as after training. */
const normalised = (x: tf.SymbolicTensor, name: string, scope: Scope): tf.SymbolicTensor =>
  tf.layers
    .batchNormalization({
      name,
      epsilon: 1e-3,
      gammaInitializer: tf.initializers.randomUniform({ minval: 0.8, maxval: 1.2, seed: scope.seed++ }),
      betaInitializer: tf.initializers.randomUniform({ minval: -0.2, maxval: 0.2, seed: scope.seed++ }),
      movingMeanInitializer: tf.initializers.randomUniform({ minval: -0.2, maxval: 0.2, seed: scope.seed++ }),
      movingVarianceInitializer: tf.initializers.randomUniform({ minval: 0.5, maxval: 1.5, seed: scope.seed++ })
    })
    .apply(x) as tf.SymbolicTensor

const relu6 = (x: tf.SymbolicTensor, name: string): tf.SymbolicTensor =>
  tf.layers.reLU({ name, maxValue: 6 }).apply(x) as tf.SymbolicTensor

interface Convolution {
  readonly filters: number
  readonly kernelSize: number
  readonly strides?: number
}

const convolved = (x: tf.SymbolicTensor, name: string, own: Convolution, scope: Scope): tf.SymbolicTensor => {
  const options = { name, padding: "same" as const, useBias: false, kernelInitializer: started(scope) }
  const y = tf.layers.conv2d({ ...options, ...own }).apply(x) as tf.SymbolicTensor
  return normalised(y, `${name}_bn`, scope)
}

const depthwise = (x: tf.SymbolicTensor, name: string, strides: number, scope: Scope): tf.SymbolicTensor => {
  const options = { name, kernelSize: 3, strides, padding: "same" as const, useBias: false }
  const layer = tf.layers.depthwiseConv2d({ ...options, depthwiseInitializer: started(scope) })
  return normalised(layer.apply(x) as tf.SymbolicTensor, `${name}_bn`, scope)
}

interface Block {
  readonly name: string
  readonly expansion: number
  readonly channels: number
  readonly stride: number
}

/** Expansion, depthwise, linear projection; added to its input where the shapes agree. */
const block = (x: tf.SymbolicTensor, { name, expansion, channels, stride }: Block, scope: Scope): tf.SymbolicTensor => {
  const inputs = x.shape[3]!
  const expand = () => convolved(x, `${name}_expand`, { filters: expansion * inputs, kernelSize: 1 }, scope)
  const wide = expansion === 1 ? x : relu6(expand(), `${name}_expand_relu`)
  const deep = relu6(depthwise(wide, `${name}_depthwise`, stride, scope), `${name}_depthwise_relu`)
  const y = convolved(deep, `${name}_project`, { filters: channels, kernelSize: 1 }, scope)
  if (stride !== 1 || inputs !== channels) return y
  return tf.layers.add({ name: `${name}_add` }).apply([x, y]) as tf.SymbolicTensor
}

export interface MobileNetOptions {
  /** rows and columns of an image, a multiple of 32 */
  readonly side: number
  readonly classes?: number
  readonly seed?: number
}

/** Images [n, side, side, 3] → probabilities [n, classes]. */
export const mobileNetV2 = ({ side, classes = 1000, seed = 0 }: MobileNetOptions): tf.LayersModel => {
  const scope: Scope = { seed: 1000 * seed + 1 }
  const input = tf.input({ shape: [side, side, 3], name: "image" })
  let x = relu6(convolved(input, "Conv1", { filters: 32, kernelSize: 3, strides: 2 }, scope), "Conv1_relu")
  let number = 0
  for (const [expansion, channels, repeats, first] of STAGES) {
    for (let i = 0; i < repeats; i++) {
      x = block(x, { name: `block_${number++}`, expansion, channels, stride: i === 0 ? first : 1 }, scope)
    }
  }
  const last = relu6(convolved(x, "Conv_1", { filters: 1280, kernelSize: 1 }, scope), "out_relu")
  const pooled = tf.layers.globalAveragePooling2d({ name: "pool" }).apply(last) as tf.SymbolicTensor
  const head = tf.layers.dense({
    name: "predictions",
    units: classes,
    activation: "softmax",
    kernelInitializer: tf.initializers.glorotUniform({ seed: scope.seed++ })
  })
  return tf.model({ name: "mobilenet_v2", inputs: input, outputs: head.apply(pooled) as tf.SymbolicTensor })
}
