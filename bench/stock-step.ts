/**
 * The path a tfjs user has today: a BERT encoder's forward pass in plain ops, LoRA added to every linear layer,
 * `tf.variableGrads`, `tf.train.adam`, the wasm or the webgpu backend as it comes. A model's shape and random weights:
 * time does not depend on their values.
 */
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import { linearLayers, type ModelShape } from "./shapes.ts"

const rank = 8
const scale = 2

const normal = (shape: ReadonlyArray<number>, seed: number) =>
  tf.keep(tf.randomNormal([...shape], 0, 0.02, "float32", seed))

interface Layer {
  readonly linear: (name: string, x: tf.Tensor) => tf.Tensor
  readonly norm: (x: tf.Tensor) => tf.Tensor
}

const layer = (shape: ModelShape): Layer => {
  const weights = new Map(
    linearLayers(shape).map(([name, from, to]) => [
      name as string,
      {
        W: normal([from, to], 1),
        bias: normal([to], 2),
        A: tf.variable(normal([from, rank], 3)),
        B: tf.variable(normal([rank, to], 4))
      }
    ])
  )
  const gamma = normal([shape.width], 5)
  return {
    linear: (name, x) => {
      const { W, bias, A, B } = weights.get(name)!
      const adapted = tf.matMul(tf.matMul(x as tf.Tensor2D, A as unknown as tf.Tensor2D), B as unknown as tf.Tensor2D)
      return tf.add(tf.add(tf.matMul(x as tf.Tensor2D, W as tf.Tensor2D), bias), tf.mul(adapted, scale))
    },
    norm: (x) => {
      const { mean, variance } = tf.moments(x, -1, true)
      return tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-12))), gamma)
    }
  }
}

const gelu = (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))))

/**
 * A step function: resolves when the loss has been read. For webgpu, `navigator.gpu` and WebGPU's globals have to be
 * there: its backend looks for them while it is imported.
 */
export const stockStep = async (
  shape: ModelShape,
  batch: number,
  length: number,
  backend: "wasm" | "webgpu" = "wasm"
): Promise<() => Promise<number>> => {
  if (backend === "webgpu") await import("@tensorflow/tfjs-backend-webgpu")
  await tf.setBackend(backend)
  const { layers, width, heads, vocabulary } = shape
  const stack = Array.from({ length: layers }, () => layer(shape))
  const table = normal([vocabulary, width], 6)
  const positions = normal([length, width], 7)
  const head = tf.variable(normal([width, 2], 8))
  const ids = tf.keep(
    tf.tensor2d(
      Int32Array.from({ length: batch * length }, (_, i) => (i * 37) % 9000),
      [batch, length],
      "int32"
    )
  )
  const labels = tf.keep(
    tf.oneHot(
      tf.tensor1d(
        Int32Array.from({ length: batch }, (_, i) => i % 2),
        "int32"
      ),
      2
    )
  )
  const split = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3])
  const block = (x: tf.Tensor, { linear, norm }: Layer) => {
    const [q, k, v] = ["query", "key", "value"].map((name) => split(linear(name, x))) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor
    ]
    const scores = tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width / heads)))
    const context = tf.reshape(tf.transpose(tf.matMul(scores, v), [0, 2, 1, 3]), [batch * length, width])
    const attended = norm(tf.add(x, linear("output", context)))
    return norm(tf.add(attended, linear("down", gelu(linear("up", attended)))))
  }
  const loss = (): tf.Scalar => {
    const start = tf.reshape(tf.add(tf.gather(table, ids), positions), [batch * length, width])
    const last = stack.reduce(block, start as tf.Tensor)
    const pooled = tf.mean(tf.reshape(last, [batch, length, width]), 1)
    return tf.losses.softmaxCrossEntropy(
      labels,
      tf.matMul(pooled as tf.Tensor2D, head as unknown as tf.Tensor2D)
    ) as tf.Scalar
  }
  const optimizer = tf.train.adam(1e-3)
  return async () => {
    const { value, grads } = tf.variableGrads(loss)
    optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })))
    const read = (await value.data())[0]!
    tf.dispose([value, grads])
    return read
  }
}
