/** Rows of numbers for a `tf.LayersModel`. */
import type { ArraysPlan } from "../../../schemas/index.ts"
import {
  arrayEvaluationBatches,
  arrayTrainingBatches,
  numbersProblem,
  openArrays,
  readNumbers
} from "../../data/index.ts"
import type { Asked } from "../kind.ts"
import type { CalledRows } from "../layers-card.ts"
import type { LayersRows } from "../layers-rows.ts"

export const calledArrays: CalledRows = {
  rows: "rows of numbers",
  row: "row",
  shaped: (shape) => `rows of ${shape} numbers`,
  task: "tabular-classification"
}

const textOf = (asked: Asked): string => (typeof asked === "string" ? asked : JSON.stringify(asked))

export const arraysRows: LayersRows<ArraysPlan> = {
  problemOfShape: () => undefined,
  open: (section, seed, shape) =>
    openArrays(
      section,
      seed,
      shape.reduce((product, n) => product * n, 1)
    ),
  training: (split, { seed, training: { batchSize }, data: { scale } }, shape, start) =>
    arrayTrainingBatches(split, { seed, batchSize, shape, scale, start }),
  evaluation: (split, { training, data: { scale } }, shape, rows) =>
    arrayEvaluationBatches(split, {
      batchSize: training.evaluateBatchSize,
      shape,
      scale,
      ...(rows === undefined ? {} : { rows })
    }),
  textOf,
  problemOf: (asked, { data }, shape) => numbersProblem(textOf(asked), data, shape),
  read: (texts, { data }, shape) => readNumbers(texts, data, shape)
}
