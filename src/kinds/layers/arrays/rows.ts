/** Rows of numbers for a `tf.LayersModel`. */
import * as Effect from "effect/Effect"
import type { ArraysPlan } from "../../../../schemas/index.ts"
import {
  arrayEvaluationBatches,
  arrayTrainingBatches,
  type ClassificationData,
  numbersProblem,
  openArrays,
  readNumbers
} from "../../../data/index.ts"
import { keepMistakes } from "../../../training/index.ts"
import type { Asked, AskedField } from "../../contract/index.ts"
import type { CalledRows } from "../card.ts"
import type { LayersRows } from "../rows.ts"

export const calledArrays: CalledRows = {
  rows: "rows of numbers",
  row: "row",
  unit: "rows",
  shaped: (shape) => `rows of ${shape} numbers`,
  task: "tabular-classification"
}

// more are no form that anyone fills in
const MOST_FIELDS = 32

/** The columns that a user fills in one by one; none: the numbers are given as a list. */
const columnsAsked = (input: ArraysPlan["data"]["input"]): ReadonlyArray<string> =>
  typeof input !== "string" && input.length <= MOST_FIELDS ? input : []

const number = (name: string): AskedField => ({ name, type: "number" })

const textOf = (asked: Asked): string => (typeof asked === "string" ? asked : JSON.stringify(asked))

export const arraysRows: LayersRows<ArraysPlan, ClassificationData, null> = {
  problemOfShape: () => undefined,
  open: (section, seed, shape) =>
    openArrays(
      section,
      seed,
      shape.reduce((product, n) => product * n, 1)
    ),
  ready: () => Effect.succeed(null),
  training: (split, { plan: { seed, training, data }, shape }, start) =>
    arrayTrainingBatches(split, { seed, batchSize: training.batchSize, shape, scale: data.scale, start }),
  evaluation: (split, { plan: { training, data }, shape }, rows) =>
    arrayEvaluationBatches(split, {
      batchSize: training.evaluateBatchSize,
      shape,
      scale: data.scale,
      ...(rows === undefined ? {} : { rows })
    }),
  asking: {
    fields: ({ data: { input } }, shape) => {
      const [first, ...more] = columnsAsked(input)
      return first === undefined ? [{ name: "numbers", type: "numbers", shape }] : [number(first), ...more.map(number)]
    },
    examples: (source, { data: { input } }, rows) =>
      Effect.map(source.read(rows), (read) => {
        const columns = columnsAsked(input)
        return read.map(({ text }): Readonly<Record<string, string>> => {
          const numbers = text.split(" ")
          return columns.length === 0
            ? { numbers: JSON.stringify(numbers.map(Number)) }
            : Object.fromEntries(columns.map((name, i) => [name, numbers[i]!]))
        })
      })
  },
  problemOf: (asked, { data }, shape) => numbersProblem(textOf(asked), data, shape),
  asked: (asked) => Effect.succeed(asked.map((one) => ({ text: textOf(one), label: "", where: textOf(one) }))),
  read: (rows, { plan, shape }) => readNumbers(rows, plan.data, shape),
  keepMistakes
}
