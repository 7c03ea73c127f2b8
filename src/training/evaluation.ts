/**
 * Evaluates a classifier over a stream of batches: loss, accuracy, macro-F1 and the confusion matrix. The device is read once per batch;
 * the metrics are computed on the host in float64. For causal language models see `tokens.ts`.
 */

import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import type { ClassificationSplit, DataError, LabelledText, Located, RowSource, TextFields } from "../data/index.ts"
import { type BatchOf, type Model, type Network, toDevice } from "../models/index.ts"
import { floats, inRounds, type RankError } from "../ranks/index.ts"
import { type DeviceReadError, readTensor } from "../tensors/index.ts"
import { macroF1Of, type RowScores, ratioOf } from "./row-scores.ts"

/** Metrics that every evaluation reports. */
export interface Scored {
  /** number of evaluated rows */
  readonly rows: number
  /** mean of the run's loss function, over rows or tokens */
  readonly loss: number
}

/** Evaluation of a classifier. */
export interface ClassEvaluation extends Scored {
  /** fraction of the rows classified correctly, in [0, 1] */
  readonly accuracy: number
  /** unweighted mean of the classes' F1; a class with neither rows nor predictions counts as 0 */
  readonly macroF1: number
  /** confusion matrix, confusion[true][predicted], in the order of the labels */
  readonly confusion: ReadonlyArray<ReadonlyArray<number>>
}

/** A network that classifies rows. */
export interface Classifier extends Network {
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** Returns the logits [rows, classes] of an output. Tensor code; absent: the output is the logits. */
  logits?(output: unknown): Tensor2D
}

/** Rows with class labels. */
export interface ClassifiedRows {
  /** number of rows */
  readonly size: number
  /** class indices, shape `[size]` */
  readonly labels: Int32Array
}

/** Reads the logits of a batch, row-major [size, classes]. */
export const logitsOf = <M extends Classifier = Model>(
  adapted: Adapted<M>,
  batch: BatchOf<M>
): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { model } = adapted
        const output = adapted.forward(toDevice(model, batch).input, adapted.trainable)
        return model.logits?.(output) ?? (output as Tensor2D)
      })
    ),
    (logits) => readTensor(logits, "the logits of a batch") as Effect.Effect<Float32Array, DeviceReadError>,
    (logits) => Effect.sync(() => logits.dispose())
  )

/** Reads the logits of all rows of some batches, row-major [count, classes]; each batch lists its rows. */
export const logitsOfRows =
  <M extends Classifier, B extends BatchOf<M> & Pick<NumberedRows, "rows">>(adapted: Adapted<M>, count: number) =>
  <E, R>(batches: Stream.Stream<B, E, R>): Effect.Effect<Float32Array, E | DeviceReadError, R> =>
    Effect.suspend(() => {
      const classes = adapted.model.labels.length
      const all = new Float32Array(count * classes)
      return Stream.runForEach(batches, (batch) =>
        Effect.map(logitsOf(adapted, batch), (logits) => {
          for (const [i, row] of batch.rows.entries()) {
            all.set(logits.subarray(i * classes, (i + 1) * classes), row * classes)
          }
        })
      ).pipe(Effect.as(all))
    })

/** A batch with the model's predictions. */
export interface ScoredBatch<B extends ClassifiedRows = ClassifiedRows> {
  /** evaluated rows */
  readonly batch: B
  /** class with the largest logit, shape `[size]` */
  readonly predicted: Int32Array
  /** softmax probability of that class, shape `[size]` */
  readonly probabilities: Float64Array
}

/** log Σⱼ exp zⱼ − z_label of one row, the class with the largest logit, and its probability. */
const scored = (logits: Float32Array, start: number, classes: number, label: number) => {
  let best = 0
  for (let j = 1; j < classes; j++) if (logits[start + j]! > logits[start + best]!) best = j
  const largest = logits[start + best]!
  let sum = 0
  for (let j = 0; j < classes; j++) sum += Math.exp(logits[start + j]! - largest)
  return { predicted: best, probability: 1 / sum, loss: largest + Math.log(sum) - logits[start + label]! }
}

/**
 * Evaluates a classifier; ranks divide the batches. `onBatch` gets the number of rows done, for a progress display, and the predictions, for a list
 * of errors; `onScores`, at the end, gets each metric as a function of the rows.
 */
export const evaluate =
  <M extends Classifier, B extends BatchOf<M> & ClassifiedRows>(
    adapted: Adapted<M>,
    onBatch: (rows: number, scored: ScoredBatch<B>) => Effect.Effect<void> = () => Effect.void,
    onScores?: (scores: RowScores) => void
  ) =>
  <E, R>(batches: Stream.Stream<B, E, R>): Effect.Effect<ClassEvaluation, E | DeviceReadError | RankError, R> =>
    Effect.gen(function* () {
      const classes = adapted.model.labels.length
      const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
      let loss = 0
      let rows = 0
      const columns = { right: [] as Array<number>, predicted: [] as Array<number>, losses: [] as Array<number> }
      const use = (batch: B, logits: Float32Array) =>
        Effect.suspend(() => {
          const predicted = new Int32Array(batch.size)
          const probabilities = new Float64Array(batch.size)
          for (let i = 0; i < batch.size; i++) {
            const label = batch.labels[i]!
            const row = scored(logits, i * classes, classes, label)
            confusion[label]![row.predicted]! += 1
            loss += row.loss
            predicted[i] = row.predicted
            probabilities[i] = row.probability
            if (onScores === undefined) continue
            columns.right.push(label)
            columns.predicted.push(row.predicted)
            columns.losses.push(row.loss)
          }
          rows += batch.size
          return onBatch(rows, { batch, predicted, probabilities })
        })
      yield* batches.pipe(inRounds({ compute: (batch) => logitsOf(adapted, batch), as: floats, use }))
      onScores?.({
        accuracy: ratioOf(columns.right.map((label, i) => (label === columns.predicted[i] ? 1 : 0))),
        macroF1: macroF1Of(columns.right, columns.predicted, classes),
        loss: ratioOf(columns.losses)
      })
      return { rows, loss: loss / rows, ...ratesOf(confusion, rows), confusion }
    })

const ratesOf = (confusion: ReadonlyArray<ReadonlyArray<number>>, rows: number) => {
  const correct = confusion.reduce((sum, row, i) => sum + row[i]!, 0)
  const f1 = confusion.map((row, i) => {
    const relevant = row.reduce((sum, n) => sum + n, 0)
    const predicted = confusion.reduce((sum, other) => sum + other[i]!, 0)
    return relevant + predicted === 0 ? 0 : (2 * row[i]!) / (relevant + predicted)
  })
  return { accuracy: correct / rows, macroF1: f1.reduce((sum, value) => sum + value, 0) / f1.length }
}

/** Result of an evaluation: its loss, and the other metrics of its kind of run, by name (`metrics.ts`). */
export type Evaluation = Scored

/** A misclassified row, for the report. */
export interface Mistake {
  /** place of the row: `test.jsonl:12` */
  readonly where: string
  /** text of the row, at most 500 characters */
  readonly text: string
  /** second text of a pair, at most 500 characters; absent: rows have a single text */
  readonly textPair?: string
  /** label of the row */
  readonly label: string
  /** predicted label */
  readonly predicted: string
  /** probability of `predicted`; absent if the model gives none */
  readonly probability?: number
  /** image as a small data: URI; absent for other rows */
  readonly picture?: string
}

/** Rows with their numbers in the split. */
interface NumberedRows extends ClassifiedRows {
  /** `[size]` */
  readonly rows: Uint32Array
}

/** A misclassified row, by number. */
export interface WrongRow {
  /** row number in the split */
  readonly row: number
  /** the model's prediction, as text */
  readonly predicted: string
  /** size of the error: rows with the largest are kept */
  readonly weight: number
  /** probability of `predicted`, in [0, 1]; absent if the model gives none */
  readonly probability?: number
}

/** Collects the largest errors of an evaluation. */
export interface Mistakes {
  /** Offers rows; keeps those of the largest weight, up to the limit. */
  readonly add: (wrong: ReadonlyArray<WrongRow>) => void
  /** Returns the kept rows with their texts, in descending order of weight. */
  readonly read: Effect.Effect<ReadonlyArray<Mistake>, DataError>
}

// A report is for reading: a long document's first lines identify it.
const CHARACTERS = 500

/**
 * Keeps the `limit` largest errors on `source`, which point to weaknesses of the model or wrong labels. They are collected batch by batch, so
 * memory does not grow with the split; texts are read once, at the end. `labelOf`: the correct label. `pictureOf`: the picture of an image
 * row; undefined if it cannot be shown.
 */
export const keepWorst = <Row extends TextFields & Located>(
  source: Pick<RowSource<Row>, "read">,
  limit: number,
  labelOf: (row: Row) => string,
  pictureOf: (row: Row) => Effect.Effect<string | undefined> = () => Effect.undefined
): Mistakes => {
  let worst: ReadonlyArray<WrongRow> = []
  return {
    add: (wrong) => {
      // equal ones in the order of the rows: the list does not depend on how batches were sorted
      worst = [...worst, ...wrong].sort((a, b) => b.weight - a.weight || a.row - b.row).slice(0, limit)
    },
    read: Effect.suspend(() =>
      Effect.flatMap(source.read(worst.map(({ row }) => row)), (rows) =>
        Effect.forEach(rows, (row, i) =>
          Effect.map(pictureOf(row), (picture) => {
            const { predicted, probability } = worst[i]!
            return {
              where: row.where,
              ...shortenedTexts(row),
              label: labelOf(row),
              predicted,
              ...(probability === undefined ? {} : { probability }),
              ...(picture === undefined ? {} : { picture })
            }
          })
        )
      )
    )
  }
}

/** Keeps the errors of a classifier with the highest probability. */
export const keepMistakes = (
  split: ClassificationSplit,
  limit: number,
  pictureOf?: (row: LabelledText) => Effect.Effect<string | undefined>
): Mistakes => keepWorst(split, limit, ({ label }) => label, pictureOf)

/** Returns the misclassified rows of a batch. */
export const wrongRows = (
  { batch, predicted, probabilities }: ScoredBatch<NumberedRows>,
  labels: ReadonlyArray<string>
): ReadonlyArray<WrongRow> =>
  Array.from(batch.rows, (row, i) => ({ i, row })).flatMap(({ i, row }) => {
    const [label, probability] = [predicted[i]!, probabilities[i]!]
    return label === batch.labels[i] ? [] : [{ row, predicted: labels[label]!, weight: probability, probability }]
  })

/** A row with its class and the predicted class, as label indices. */
export interface ClassedRow {
  /** row number in the split */
  readonly row: number
  /** index of its class */
  readonly label: number
  /** index of the class with the largest logit */
  readonly predicted: number
  /** probability of `predicted` */
  readonly probability: number
}

/** Evaluates a classifier as `evaluate` does, and passes on the errors and every row, if requested. */
export const evaluateClasses = <M extends Classifier, B extends BatchOf<M> & NumberedRows>(
  adapted: Adapted<M>,
  labels: ReadonlyArray<string>,
  {
    mistakes,
    classed,
    scored,
    done
  }: {
    /** collects misclassified rows; absent: they are not collected */
    readonly mistakes?: Mistakes | undefined
    /** called with the rows of each batch; absent: not called */
    readonly classed?: ((rows: ReadonlyArray<ClassedRow>) => void) | undefined
    /** called at the end with each metric as a function of the rows; absent: not called */
    readonly scored?: ((scores: RowScores) => void) | undefined
    /** called with the number of rows completed */
    readonly done: (rows: number) => Effect.Effect<void>
  }
) => {
  const note = (rows: number, scored: ScoredBatch<B>) => {
    mistakes?.add(wrongRows(scored, labels))
    const { batch, predicted, probabilities } = scored
    classed?.(
      Array.from(batch.rows, (row, i) => ({
        row,
        label: batch.labels[i]!,
        predicted: predicted[i]!,
        probability: probabilities[i]!
      }))
    )
    return done(rows)
  }
  return evaluate<M, B>(adapted, note, scored)
}

/** Returns the texts of a row, shortened for a report. */
export const shortenedTexts = ({ text, textPair }: TextFields): TextFields => ({
  text: shortened(text),
  ...(textPair === undefined ? {} : { textPair: shortened(textPair) })
})

const shortened = (text: string): string => {
  const characters = [...text.slice(0, 2 * CHARACTERS + 2)]
  return characters.length > CHARACTERS ? `${characters.slice(0, CHARACTERS).join("")}…` : text
}
