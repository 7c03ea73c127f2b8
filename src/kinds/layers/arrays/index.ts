/** Classification of rows of numbers with a tf.LayersModel. */
import * as Effect from "effect/Effect"
import type { ArraysPlan } from "../../../../schemas/index.ts"
import { wholeNumber } from "../../../boundary/index.ts"
import {
  arrayEvaluationBatches,
  arrayTrainingBatches,
  type ClassificationData,
  inputReader,
  listIn,
  matching,
  numberIn,
  numbersProblem,
  openArrays,
  readNumbers
} from "../../../data/index.ts"
import {
  type Choice,
  type Columns,
  choice,
  type Detecting,
  type Found,
  type Row,
  sure
} from "../../../suggest/index.ts"
import { keepMistakes } from "../../../training/index.ts"
import type { Asked, AskedField, RunKind } from "../../contract/index.ts"
import {
  numbersIn as allNumbers,
  classesIn,
  columnsIn,
  comesBack,
  isKey,
  isProse,
  labelEvidence,
  shownText,
  textsIn
} from "../../rows/columns.ts"
import { layersKind } from "../kind.ts"
import type { CalledRows } from "../publish.ts"
import type { LayersRows, ResolvedLayersPlan } from "../rows.ts"
import { isTopology, rescales, suggestLayers } from "../suggest.ts"

export type ResolvedArraysPlan = ResolvedLayersPlan<ArraysPlan, ClassificationData>

const calledArrays: CalledRows = {
  rows: "rows of numbers",
  row: "row",
  unit: "rows",
  shaped: (shape) => `rows of ${shape} numbers`,
  task: "tabular-classification"
}

// a longer form would be too long to fill in
const MOST_FIELDS = 32

/** Returns the columns that are single input fields; empty if the input is one list of numbers. */
const columnsAsked = (input: ArraysPlan["data"]["input"]): ReadonlyArray<string> =>
  typeof input !== "string" && input.length <= MOST_FIELDS ? input : []

const number = (name: string): AskedField => ({ name, type: "number" })

const textOf = (input: Asked): string => (typeof input === "string" ? input : JSON.stringify(input))

const arraysRows: LayersRows<ArraysPlan, ClassificationData, null> = {
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
  problemOf: (input, { data }, shape) => numbersProblem(textOf(input), data, shape),
  inputRows: (inputs) =>
    Effect.succeed(inputs.map((input) => ({ text: textOf(input), label: "", where: textOf(input) }))),
  read: (rows, { plan, shape }) => readNumbers(rows, plan.data, shape),
  keepMistakes
}

const scaleCaution =
  "data.scale must match the scale that the model was trained with; if the accuracy before training, which train prints first, is lower than expected, change it"

export const suggestArrays = suggestLayers<ArraysPlan, ClassificationData>({
  newHead: false,
  cautions: ({ scale }) => (scale === 1 ? [] : [scaleCaution])
})

const numbersIn = (value: unknown): ReadonlyArray<number> => {
  const list = typeof value === "string" && value.trimStart().startsWith("[") ? listIn(value) : value
  const flat: ReadonlyArray<unknown> = Array.isArray(list) ? list.flat(Number.POSITIVE_INFINITY) : []
  return flat.every((number) => typeof number === "number") ? (flat as ReadonlyArray<number>) : []
}

const BYTE = 255

interface Numbers {
  readonly input: string | ReadonlyArray<string>
  readonly certainty: number
  readonly reason: string
}

/** Returns the columns with the numbers of rows: a list, numbered columns, or all numeric columns except the label. */
const numbersOf = (rows: ReadonlyArray<Row>, { input, label }: Columns): ReadonlyArray<Numbers> => {
  if (input !== undefined) {
    const names = input.split(",").map((name) => name.trim())
    return [{ input: names.length === 1 ? input : names, certainty: sure.named, reason: "named as the input" }]
  }
  const all = columnsIn(rows)
  const lists = all.map(({ name }) => name).filter((name) => rows.every((row) => numbersIn(row[name]).length > 0))
  const list = lists.includes("input") ? ["input"] : lists
  if (list.length > 0)
    return list.map((name) => ({
      input: name,
      certainty: list.length === 1 ? sure.clearly : sure.possible,
      reason: "the column with lists of numbers"
    }))
  const numbered = numberedColumns(rows, label)
  if (numbered !== undefined) return [{ input: numbered.pattern, certainty: sure.clearly, reason: numbered.reason }]
  const measures = all.filter((column) => column.name !== label && !isKey(column) && allNumbers(column) !== undefined)
  const names = measures.filter((column) => !comesBack(column) || column.different > 2).map(({ name }) => name)
  if (names.length < 2 || textsIn(all).some(isProse)) return []
  return [{ input: names, certainty: sure.usual, reason: `${wholeNumber(names.length)} columns of one number each` }]
}

/** Detects the columns of the numbers and the label, and the scale of the numbers. */
const arraysFound: Detecting["rows"] = ({ content, rows }, columns, { rescales = false } = {}) =>
  content !== "rows"
    ? []
    : numbersOf(rows, columns).flatMap(({ input, certainty, reason }) => {
        const inputColumns = typeof input === "string" ? matching(input, Object.keys(rows[0] ?? {})) : input
        const width = numbersIn(inputReader(input, columns.label)(rows[0] ?? {})).length
        const labels = labelEvidence(columnsIn(rows), columns, inputColumns)
        return labels.map(({ column, column: { name }, certainty: ofLabel }): Found => {
          const read = inputReader(input, name)
          return {
            format: "arrays",
            sentence: `a class for each row of ${wholeNumber(width)} numbers (${classesIn(column)})`,
            example: `${shownText(JSON.stringify(numbersIn(read(rows[0]!))))} → ${String(rows[0]![name])}`,
            certainty: certainty * ofLabel,
            columns: { ...(typeof input === "string" ? { input } : { input: input.join(",") }), label: name },
            choices: [
              choice("data.format", "arrays", "rows of numbers, for a tf.LayersModel"),
              { path: "data.input", value: input, reason },
              choice("data.label", name, "the column with the label"),
              ...scaleOf(
                rows.flatMap((row) => numbersIn(read(row))),
                rescales
              )
            ]
          }
        })
      })

/** Returns the pattern of numbered columns ("pixel0", "pixel1", …) that matches them and no others. */
const numberedColumns = (rows: ReadonlyArray<Row>, label: string | undefined) => {
  const all = Object.keys(rows[0]!).filter((name) => name !== label)
  const numbers = all.filter((name) => rows.every((row) => numberIn(row[name]) !== undefined))
  const patterns = new Set(numbers.flatMap((name) => /^(.*?)\d+$/.exec(name)?.[1] ?? []))
  const matches = [...patterns]
    .map((start) => ({ pattern: `${start}*`, names: matching(`${start}*`, all) }))
    .filter(({ names }) => names.length > 1 && names.every((name) => numbers.includes(name)))
    .toSorted((a, b) => b.names.length - a.names.length)
  const [first] = matches
  if (first === undefined) return undefined
  const { names } = first
  return {
    ...first,
    reason: `${wholeNumber(names.length)} columns of one number each, from "${names[0]}" to "${names.at(-1)}"`
  }
}

/** Suggests a scale from bytes to 0 … 1, unless the model scales its input itself. */
const scaleOf = (numbers: ReadonlyArray<number>, rescales: boolean): ReadonlyArray<Choice> => {
  const bytes = numbers.every((number) => Number.isInteger(number) && number >= 0 && number <= BYTE)
  const largest = numbers.reduce((max, number) => Math.max(max, number), 0)
  if (!bytes || largest <= 1 || rescales) return []
  const reason = `whole numbers from 0 to ${wholeNumber(largest)} look like bytes, and the model has no layer that scales them: 1/${BYTE} makes them 0 to 1, as most image models expect`
  return [{ path: "data.scale", value: 1 / BYTE, reason }]
}

const detectArrays: Detecting = {
  columns: { arrays: ["input", "label"] },
  takes: isTopology,
  takesItsOwn: true,
  needs: "this needs a tf.LayersModel with as many inputs, such as --model path/to/model.json",
  hint: "name the columns of numbers with --input, and the label with --label",
  rows: arraysFound,
  look: (source) => Effect.map(rescales(source), (isRescaling) => ({ rescales: isRescaling }))
}

export const arrays: RunKind<ArraysPlan, ResolvedArraysPlan> = layersKind({
  rows: arraysRows,
  called: calledArrays,
  suggesting: suggestArrays,
  detecting: detectArrays,
  exampleArguments: "< rows.jsonl"
})
