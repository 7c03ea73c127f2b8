/**
 * Heads over an encoder's last hidden states h [batch, length, hidden].
 *
 * Classification, `output: "linear"`:
 *
 *   mean     z = W·(Σ m∘h / Σ m) + b                       over the tokens; new parameters `head.weight`, `head.bias`
 *   pooler   z = W·act(W_d·h[first] + b_d) + b             as transformers' own classification class, under its names
 *
 * W [classes, hidden], W_d [hidden, hidden]. Parameters that are in the checkpoint start there (BERT's pooler always, the
 * classifier with `headInit: "checkpoint"`); new weights start at N(0, 0.02²), as transformers initializes them, biases at 0.
 *
 * Embedding, without parameters, as sentence-transformers' modules Pooling and Normalize:
 *
 *   mean     v = Σ m∘h / Σ m          first    v = h[first]          `output: "normalized"`: v/|v|
 */
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { denseLinear } from "../kernels/index.ts"
import { gaussian, randomStream } from "../numbers/index.ts"
import type { HostTensor } from "../safetensors/index.ts"
import type { Weights } from "../tensors/index.ts"
import type { Encoder } from "./encoder.ts"
import type { HeadSpec, ParameterSpec, TokenBatch } from "./model.ts"

/** What a classification head sees. */
export type Pooling = Exclude<HeadSpec["pooling"], "first">
export type HeadInit = "normal" | "zeros" | "checkpoint"

/** transformers' `initializer_range` */
const DEVIATION = 0.02

const MEAN_HEAD = "head"

const layer = (name: string, out: number, inputs: number): ReadonlyArray<ParameterSpec> => [
  { name: `${name}.weight`, shape: [out, inputs] },
  { name: `${name}.bias`, shape: [out] }
]

/** The layers of a head: `dense` is null over mean pooling. */
export const headLayers = ({ family, config }: Encoder, pooling: Pooling, classes: number) => {
  const { dense, classifier } = family.pooler
  return pooling === "mean"
    ? { dense: null, classifier: layer(MEAN_HEAD, classes, config.hiddenSize) }
    : {
        dense: layer(dense, config.hiddenSize, config.hiddenSize),
        classifier: layer(classifier, classes, config.hiddenSize)
      }
}

/** Starting values of the parameters that no checkpoint gives, from the seed and each parameter's name alone. */
export const newHeadParameters = (
  head: Pick<HeadSpec, "parameters" | "inCheckpoint" | "start">,
  seed: number
): ReadonlyMap<string, HostTensor> => {
  const last = head.parameters.at(-2)?.name
  return new Map(
    head.parameters
      .filter(({ name }) => !head.inCheckpoint.has(name))
      .map(({ name, shape }) => {
        const data = new Float32Array(shape.reduce((size, n) => size * n, 1))
        const zero = shape.length === 1 || (head.start === "zeros" && name === last)
        if (!zero) {
          const random = randomStream(seed, "head", name)
          for (let i = 0; i < data.length; i++) data[i] = DEVIATION * gaussian(random)
        }
        return [name, { shape, data }]
      })
  )
}

/** Logits [batch, classes], or vectors [batch, hidden], from hidden states [tokens, hidden]. */
export const applyHead = (
  { family }: Encoder,
  { pooling, output }: Pick<HeadSpec, "pooling" | "output">,
  h: Tensor2D,
  batch: TokenBatch,
  weights: Weights
): Tensor2D => {
  if (output !== "linear") {
    const pooled = pooling === "mean" ? meanPooling(h, batch) : firstToken(h, batch.attentionMask.shape[0])
    return output === "normalized" ? unitRows(pooled) : pooled
  }
  const linear = (name: string, x: Tensor2D) =>
    denseLinear(x, weights(`${name}.weight`) as Tensor2D, weights(`${name}.bias`) as Tensor1D)
  if (pooling === "mean") return linear(MEAN_HEAD, meanPooling(h, batch))
  const { dense, nonlinearity, classifier } = family.pooler
  const pooled = linear(dense, firstToken(h, batch.attentionMask.shape[0]))
  return linear(classifier, nonlinearity === "tanh" ? tf.tanh(pooled) : tf.relu(pooled))
}

/** Mean of the tokens' hidden states, padding excluded: [tokens, hidden] → [batch, hidden]. */
export const meanPooling = (h: Tensor2D, { attentionMask }: TokenBatch): Tensor2D => {
  const [size, length] = attentionMask.shape
  const share = tf.div(attentionMask, tf.sum(attentionMask, 1, true))
  // a product per row rather than mask, sum and division: one op, and its gradient is one op
  const sequences = tf.reshape(h, [size, length, h.shape[1]]) as Tensor3D
  return tf.reshape(tf.matMul(tf.reshape(share, [size, 1, length]), sequences), [size, h.shape[1]])
}

// torch.nn.functional.normalize's own
const SHORTEST = 1e-12

/** Each row divided by its length. */
export const unitRows = (x: Tensor2D): Tensor2D =>
  tf.div(x, tf.maximum(tf.sqrt(tf.sum(tf.square(x), 1, true)), SHORTEST))

/** The first hidden state of each of `size` sequences of one length: [tokens, hidden] → [size, hidden]. */
export const firstToken = (h: Tensor2D, size: number): Tensor2D => {
  const [tokens, width] = h.shape
  return tf.slice(tf.reshape(h, [size, (tokens / size) * width]), [0, 0], [size, width]) as Tensor2D
}
