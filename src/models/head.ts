/**
 * Heads over an encoder's last hidden states h [batch, length, hidden].
 *
 * Classification, `output: "linear"`:
 *
 *   mean     z = W·(Σ m∘h / Σ m) + b                       over the tokens; new parameters `head.weight`, `head.bias`
 *   pooler   z = W·norm(act(W_d·v + b_d)) + b             as transformers' own classification class, under its names: v = h[first], or the
 *                                                          mean where the family says so; most families have no norm
 *   tokens   z = W·h + b, for every token                 as transformers' token classification class; of some families with the pooler's
 *                                                          layers before it, over each token
 *
 * W [classes, hidden], W_d [hidden, hidden]. Parameters that are in the checkpoint start there (BERT's pooler always, the
 * classifier with `head: "checkpoint"`); new weights start at N(0, 0.02²), as transformers initializes them, biases at 0.
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
import type { ClassifierHead, Encoder } from "./encoder.ts"
import { type HeadSpec, linearParameters, normParameters, type TaskType, type TokenBatch } from "./model.ts"
import { normalized } from "./transformer-block.ts"

/** Pooling before a classification head. */
export type Pooling = Exclude<HeadSpec["pooling"], "first">
/** Initialization of a head. */
export type HeadInit = "new" | "zeros" | "checkpoint"

/** transformers' `initializer_range` */
const DEVIATION = 0.02

const MEAN_HEAD = "head"
const TOKEN_HEAD = "classifier"

const headClasses = {
  pooler: { suffix: "ForSequenceClassification", task: "SEQ_CLS" },
  tokens: { suffix: "ForTokenClassification", task: "TOKEN_CLS" }
} as const

/** A class of transformers with a head. */
export interface HeadClass {
  /** end of its name: "ForSequenceClassification" */
  readonly suffix: string
  /** PEFT's `task_type` */
  readonly task: TaskType
}

/** Returns the class of transformers that has such a head; undefined if none has. */
export const headClassOf = ({ pooling }: Pick<HeadSpec, "pooling">): HeadClass | undefined =>
  (headClasses as { readonly [name: string]: HeadClass })[pooling]

/** Returns the module of a head's last layer. */
export const classifierOf = ({ head: { classifier, overTokens } }: Pick<Encoder, "head">, pooling: Pooling): string =>
  pooling === "mean" ? MEAN_HEAD : pooling === "tokens" && overTokens === "linear" ? TOKEN_HEAD : classifier

/** Returns the parameters of a head: of its last layer, and of the layers before it, which a head over mean pooling does not have. */
export const headLayers = ({ head, hiddenSize }: Encoder, pooling: Pooling, classes: number) => {
  const { dense, norm, overTokens } = head
  const name = classifierOf({ head }, pooling)
  const classifier = linearParameters({ name, kind: "dense", out: classes, in: hiddenSize })
  if (pooling === "mean" || (pooling === "tokens" && overTokens === "linear")) return { before: [], classifier }
  const ofNorm = norm === null ? [] : normParameters(norm.name, hiddenSize, norm.bias)
  const started = ofNorm.map((parameter) =>
    parameter.name.endsWith(".weight") ? { ...parameter, initial: 1 } : parameter
  )
  return { before: [...linearParameters(dense), ...started], classifier }
}

/** Returns initial values of the parameters that the checkpoint does not contain, from the seed and each parameter's name only. */
export const newHeadParameters = (
  head: Pick<HeadSpec, "parameters" | "inCheckpoint" | "start">,
  seed: number
): ReadonlyMap<string, HostTensor> => {
  const last = head.parameters.at(-2)?.name
  return new Map(
    head.parameters
      .filter(({ name }) => !head.inCheckpoint.has(name))
      .map(({ name, shape, initial = 0 }) => {
        const data = new Float32Array(shape.reduce((size, n) => size * n, 1)).fill(initial)
        const zero = shape.length === 1 || (head.start === "zeros" && name === last)
        if (!zero) {
          const random = randomStream(seed, "head", name)
          for (let i = 0; i < data.length; i++) data[i] = DEVIATION * gaussian(random)
        }
        return [name, { shape, data }]
      })
  )
}

/** Computes logits [batch, classes], of a head over tokens [tokens, classes], or vectors [batch, hidden], from hidden states [tokens, hidden]. */
export const applyHead = (
  { head }: { readonly head: ClassifierHead },
  { pooling, output }: Pick<HeadSpec, "pooling" | "output">,
  h: Tensor2D,
  batch: TokenBatch,
  weights: Weights
): Tensor2D => {
  if (output !== "linear") {
    const pooled = pooling === "mean" ? meanPooling(h, batch) : firstOf(h, batch)
    return output === "normalized" ? unitRows(pooled) : pooled
  }
  const linear = (name: string, x: Tensor2D, bias?: false) =>
    denseLinear(x, weights(`${name}.weight`) as Tensor2D, (bias ?? true) ? (weights(`${name}.bias`) as Tensor1D) : null)
  if (pooling === "mean") return linear(MEAN_HEAD, meanPooling(h, batch))
  const { over, overTokens, dense, activate, norm, classifier } = head
  if (pooling === "tokens" && overTokens === "linear") return linear(TOKEN_HEAD, h)
  const pooledOver = over === "mean" ? meanPooling : firstOf
  const pooled = pooling === "tokens" ? h : pooledOver(h, batch)
  const inner = linear(dense.name, pooled, dense.bias)
  const active = activate(inner)
  return linear(classifier, norm === null ? active : normalized(active, null, norm, weights))
}

/** Averages the tokens' hidden states without padding: [tokens, hidden] → [batch, hidden]. */
export const meanPooling = (h: Tensor2D, { attentionMask }: TokenBatch): Tensor2D => {
  const [size, length] = attentionMask.shape
  const share = tf.div(attentionMask, tf.sum(attentionMask, 1, true))
  // a product per row rather than mask, sum and division: one op, and its gradient is one op
  const sequences = tf.reshape(h, [size, length, h.shape[1]]) as Tensor3D
  return tf.reshape(tf.matMul(tf.reshape(share, [size, 1, length]), sequences), [size, h.shape[1]])
}

// torch.nn.functional.normalize's own
const SHORTEST = 1e-12

/** Divides each row by its Euclidean length. */
export const unitRows = (x: Tensor2D): Tensor2D =>
  tf.div(x, tf.maximum(tf.sqrt(tf.sum(tf.square(x), 1, true)), SHORTEST))

const firstOf = (h: Tensor2D, { attentionMask }: TokenBatch): Tensor2D => firstToken(h, attentionMask.shape[0])

/** Selects the first hidden state of each of `size` sequences of equal length: [tokens, hidden] → [size, hidden]. */
export const firstToken = (h: Tensor2D, size: number): Tensor2D => {
  const [tokens, width] = h.shape
  return tf.slice(tf.reshape(h, [size, (tokens / size) * width]), [0, 0], [size, width]) as Tensor2D
}
