/** An encoder as a network over rows of several texts, and the computation of text vectors. */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../../adapters/index.ts"
import { batchesOfRows, type DataError, tokenizeTexts } from "../../../data/index.ts"
import { Device } from "../../../device/device.ts"
import type { Model, Network, Rows, Sequences, TokenBatch } from "../../../models/index.ts"
import { floats, inRounds, type RankError } from "../../../ranks/index.ts"
import { type DeviceReadError, readTensor, type TokenTexts } from "../../../tensors/index.ts"
import type { RelatedBatch } from "./data.ts"
import type { RelatedTarget } from "./loss.ts"

/** A model over rows of several texts. Its forward pass returns vectors [texts·rows, hidden]. */
export interface EmbeddingModel extends Omit<Model, "toDevice" | "stack"> {
  readonly stack?: Network["stack"]
  readonly toDevice: (batch: RelatedBatch) => {
    readonly input: TokenBatch
    readonly target: RelatedTarget
    readonly mask: tf.Tensor1D
  }
}

/** Wraps sequences that are not rows of a plan. */
const alone = (texts: TokenTexts): RelatedBatch => ({
  size: texts.size,
  tokens: texts.tokens,
  texts,
  scores: new Float32Array(texts.size)
})

const unlabelled = (texts: TokenTexts) => ({ ...texts, labels: new Int32Array(texts.size) })

export const embeddingModel = ({ stack, toDevice, ...model }: Model): EmbeddingModel => ({
  ...model,
  ...(stack === undefined
    ? {}
    : {
        stack: {
          ...stack,
          sequences: ({ texts }: Rows & RelatedBatch): Sequences | undefined => {
            const sequences = stack.sequences(unlabelled(texts))
            if (sequences === undefined) return undefined
            return {
              ...sequences,
              some: (rows) => {
                const part = sequences.some(rows) as TokenTexts
                return { ...alone(part), length: part.length }
              }
            }
          }
        }
      }),
  toDevice: ({ size, texts, scores }) => {
    const { input, mask } = toDevice(unlabelled(texts))
    return { input, mask, target: { texts: texts.size / size, scores: tf.tensor1d(scores) } }
  }
})

export interface EmbedOptions {
  /** texts per forward pass */
  readonly batchSize: number
  /** maximum number of tokens per text */
  readonly maxLength: number
  /** called with the number of embedded texts */
  readonly done?: (texts: number) => Effect.Effect<void>
}

/** Embeds texts. Shape [texts, hidden], row-major, in their order. Texts of similar length share a batch; ranks share the batches. */
export const vectorsOf = (
  adapted: Adapted<EmbeddingModel>,
  texts: ReadonlyArray<string>,
  { batchSize, maxLength, done = () => Effect.void }: EmbedOptions
): Effect.Effect<Float32Array, DataError | DeviceReadError | RankError, Device> =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const { tokenizer, hiddenSize } = adapted.model
    const encodings = yield* tokenizeTexts(
      texts.map((text) => ({ text })),
      tokenizer,
      maxLength
    )
    const examples = encodings.map((encoding) => ({ ...encoding, label: 0 }))
    const batches = batchesOfRows(examples, [...examples.keys()], {
      batchSize,
      padId: tokenizer.padId,
      padMultiple,
      maxLength
    })
    const all = new Float32Array(texts.length * hiddenSize)
    let count = 0
    const use = (batch: (typeof batches)[number], vectors: Float32Array) =>
      Effect.suspend(() => {
        for (const [i, row] of batch.rows.entries()) {
          all.set(vectors.subarray(i * hiddenSize, (i + 1) * hiddenSize), row * hiddenSize)
        }
        count += batch.size
        return done(count)
      })
    yield* Stream.fromIterable(batches).pipe(
      inRounds({ compute: (batch) => batchVectors(adapted, batch), as: floats, use })
    )
    return all
  })

const batchVectors = (adapted: Adapted<EmbeddingModel>, texts: TokenTexts) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => adapted.forward(adapted.model.toDevice(alone(texts)).input, adapted.trainable) as Tensor2D)
    ),
    (vectors) => readTensor(vectors, "the vectors of a batch") as Effect.Effect<Float32Array, DeviceReadError>,
    (vectors) => Effect.sync(() => vectors.dispose())
  )
