/**
 * Evaluates the vectors of a model on rows of a split: the training loss, in batches of the training's size, and the ranks of each anchor's
 * texts among all texts, or the correlation of cosines with scores. Every text passes through the model once, on one rank.
 */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../../adapters/index.ts"
import { unitRows } from "../../../models/index.ts"
import { inRounds, json } from "../../../ranks/index.ts"
import { readTensor } from "../../../tensors/index.ts"
import { overAll, type RowScore, type RowScores, ratioOf, rowsOf, spearman } from "../../../training/index.ts"
import type { EvaluateOptions } from "../../contract/index.ts"
import { type RelatedSplit, type RelatedTexts, textsOfRow } from "./data.ts"
import type { RelatedLoss } from "./loss.ts"
import { type EmbeddingModel, type EmbedOptions, vectorsOf } from "./model.ts"
import { placesOf, questionsOf, type RankingScores, scoresOf } from "./ranking.ts"

/**
 * Maximum number of rows whose texts form one corpus. Larger splits are cut into corpora of about equal size, whose scores are averaged:
 * 10,000 anchors × 10,000 texts take seconds, and the limit bounds the memory of a part.
 */
export const LARGEST_CORPUS = 10_000

/** Number of anchors whose cosines with a whole corpus are on the host at a time. */
const ANCHORS_AT_ONCE = 256

/** Vectors of rows, on the host. */
interface EmbeddedRows {
  readonly rows: ReadonlyArray<RelatedTexts>
  /** number of texts per row */
  readonly texts: number
  readonly width: number
  /** vectors [texts·rows, width]: the first texts, the second, the third */
  readonly vectors: Float32Array
}

/** Combines scores of several corpora: their mean, weighted by the number of rows. */
const joined = (parts: ReadonlyArray<RowScore>): RowScore => {
  const starts = parts.map((_, k) => parts.slice(0, k).reduce((sum, { size }) => sum + size, 0))
  return {
    size: parts.reduce((sum, { size }) => sum + size, 0),
    over: (rows) =>
      parts.reduce((sum, part, k) => {
        const rowsOfPart = Array.from(rows, (row) => row - starts[k]!).filter((row) => row >= 0 && row < part.size)
        return rowsOfPart.length === 0 ? sum : sum + (rowsOfPart.length / rows.length) * part.over(rowsOfPart)
      }, 0)
  }
}

export interface RelatedEvaluation {
  readonly batchSize: number
  /** rows per training batch, which the loss compares with each other */
  readonly lossRows: number
  readonly loss: RelatedLoss
  readonly embed: Omit<EmbedOptions, "done">
}

const evaluated =
  <E, R>(measure: (embedded: EmbeddedRows) => Effect.Effect<RowScores, E, R>) =>
  (
    adapted: Adapted<EmbeddingModel>,
    source: RelatedSplit,
    { loss, lossRows, embed }: Omit<RelatedEvaluation, "batchSize">,
    { rows: most = source.rows, done, scored }: EvaluateOptions
  ) =>
    Effect.gen(function* () {
      const rows = Math.min(most, source.rows)
      const corpora = Math.ceil(rows / LARGEST_CORPUS)
      const width = adapted.model.hiddenSize
      let lossSum = 0
      let counted = 0
      const sums: Record<string, number> = {}
      const each: Array<RowScores> = []
      const [batchLosses, batchRows]: [Array<number>, Array<number>] = [[], []]
      for (let i = 0; i < corpora; i++) {
        const [start, end] = [Math.floor((i * rows) / corpora), Math.floor(((i + 1) * rows) / corpora)]
        const some = yield* source.read(Array.from({ length: end - start }, (_, at) => start + at))
        const texts = some.map(textsOfRow)
        const inOrder = Array.from({ length: source.texts }, (_, at) => texts.map((textsOf) => textsOf[at]!)).flat()
        const vectors = yield* vectorsOf(adapted, inOrder, {
          ...embed,
          done: (count) => done(start + Math.floor(count / source.texts))
        })
        const embedded: EmbeddedRows = { rows: some, texts: source.texts, width, vectors }
        const [mean, ...parts] = yield* lossOf(embedded, loss, lossRows)
        lossSum += mean! * some.length
        for (const [at, part] of parts.entries()) {
          batchLosses.push(part * some.length)
          batchRows.push(Math.min(lossRows, some.length - at * lossRows))
        }
        const scoresOfBatch = yield* measure(embedded)
        each.push(scoresOfBatch)
        for (const [name, score] of Object.entries(scoresOfBatch))
          sums[name] = (sums[name] ?? 0) + score.size * overAll(score)
        counted += Object.values(scoresOfBatch)[0]!.size
      }
      const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / counted]))
      scored?.({
        ...Object.fromEntries(
          Object.keys(means).map((name) => [name, joined(each.map((scoresOfBatch) => scoresOfBatch[name]!))])
        ),
        // the loss compares the rows of a batch with each other, so the unit of resampling is the batch
        loss: ratioOf(batchLosses, batchRows)
      })
      return { rows, loss: lossSum / rows, ...means }
    })

/** Returns the mean loss of rows in batches of `size`, in their order, and the contribution of each batch. */
const lossOf = ({ rows, texts, width, vectors }: EmbeddedRows, loss: RelatedLoss, size: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const all = tf.tensor3d(vectors, [texts, rows.length, width])
        const scores = tf.tensor1d(rows.map(({ score = 0 }) => score))
        const parts: Array<Scalar> = []
        for (let start = 0; start < rows.length; start += size) {
          const count = Math.min(size, rows.length - start)
          const vectorsOfRows = tf.reshape(tf.slice(all, [0, start, 0], [texts, count, width]), [texts * count, width])
          const target = { texts, scores: tf.slice(scores, [start], [count]) }
          parts.push(tf.mul(loss(vectorsOfRows as Tensor2D, target), count / rows.length))
        }
        return tf.stack([tf.addN(parts), ...parts])
      })
    ),
    (value) => Effect.map(readTensor(value, "the loss of an evaluation"), (values) => Array.from(values)),
    (value) => Effect.sync(() => value.dispose())
  )

/** Evaluates the ranks of each anchor's texts. */
export const evaluateRanking = evaluated((embedded) =>
  Effect.gen(function* () {
    const { corpus, anchors } = questionsOf(embedded.rows)
    const { width, rows, vectors } = embedded
    const picked = (indices: ReadonlyArray<number>): Tensor2D => {
      const gathered = new Float32Array(indices.length * width)
      for (const [i, at] of indices.entries()) gathered.set(vectors.subarray(at * width, (at + 1) * width), i * width)
      return unitRows(tf.tensor2d(gathered, [indices.length, width]))
    }
    const all: Array<RankingScores> = []
    yield* Effect.acquireUseRelease(
      Effect.sync(() => tf.tidy(() => picked(corpus.map((row) => rows.length + row)))),
      (texts) =>
        Effect.gen(function* () {
          const parts = Array.from({ length: Math.ceil(anchors.length / ANCHORS_AT_ONCE) }, (_, i) =>
            anchors.slice(i * ANCHORS_AT_ONCE, (i + 1) * ANCHORS_AT_ONCE)
          )
          const compute = (some: typeof anchors) =>
            Effect.acquireUseRelease(
              Effect.sync(() => tf.tidy(() => tf.matMul(picked(some.map(({ row }) => row)), texts, false, true))),
              (all) =>
                Effect.map(readTensor(all, "the cosines of an evaluation"), (cosines) =>
                  some.map(({ relevant }, i) =>
                    scoresOf(placesOf(cosines.subarray(i * corpus.length, (i + 1) * corpus.length), relevant))
                  )
                ),
              (all) => Effect.sync(() => all.dispose())
            )
          const use = (_: typeof anchors, some: ReadonlyArray<RankingScores>) =>
            Effect.sync(() => void all.push(...some))
          yield* Stream.fromIterable(parts).pipe(inRounds({ compute, as: json<ReadonlyArray<RankingScores>>(), use }))
        }),
      (texts) => Effect.sync(() => texts.dispose())
    )
    const names = Object.keys(all[0]!) as ReadonlyArray<keyof RankingScores>
    return Object.fromEntries(names.map((name) => [name, ratioOf(all.map((scores) => scores[name]))]))
  })
)

/** Returns the cosine of each row's two texts, in float64. */
export const cosinesOf = ({ rows, width, vectors }: EmbeddedRows): Float64Array =>
  Float64Array.from(rows, (_, row) => {
    let [dot, first, second] = [0, 0, 0]
    for (let i = 0; i < width; i++) {
      const [a, b] = [vectors[row * width + i]!, vectors[(rows.length + row) * width + i]!]
      dot += a * b
      first += a * a
      second += b * b
    }
    return dot / Math.max(Math.sqrt(first * second), Number.MIN_VALUE)
  })

/** Evaluates the correlation of cosines with scores. */
export const evaluateSimilarity = evaluated((embedded) =>
  Effect.sync(() => {
    const [cosines, right] = [cosinesOf(embedded), embedded.rows.map(({ score = 0 }) => score)]
    const over = (rows: ArrayLike<number>) => spearman(rowsOf(cosines, 1, rows), rowsOf(right, 1, rows))
    return { spearman: { size: right.length, over } }
  })
)
