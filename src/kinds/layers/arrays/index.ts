/** Labelled rows of numbers and a tf.LayersModel. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ArraysPlan } from "../../../../schemas/index.ts"
import {
  arrayEvaluationBatches,
  arrayTrainingBatches,
  type ClassificationData,
  dataError,
  firstRows,
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
  count,
  type DetectedRows,
  type Detecting,
  NAMED,
  PROBED_ROWS,
  type Row
} from "../../../suggest/index.ts"
import { keepMistakes } from "../../../training/index.ts"
import type { Asked, AskedField, RunKind } from "../../contract/index.ts"
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

// more are no form that anyone fills in
const MOST_FIELDS = 32

/** The columns that a user fills in one by one; none: the numbers are given as a list. */
const columnsAsked = (input: ArraysPlan["data"]["input"]): ReadonlyArray<string> =>
  typeof input !== "string" && input.length <= MOST_FIELDS ? input : []

const number = (name: string): AskedField => ({ name, type: "number" })

const textOf = (asked: Asked): string => (typeof asked === "string" ? asked : JSON.stringify(asked))

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
  problemOf: (asked, { data }, shape) => numbersProblem(textOf(asked), data, shape),
  asked: (asked) => Effect.succeed(asked.map((one) => ({ text: textOf(one), label: "", where: textOf(one) }))),
  read: (rows, { plan, shape }) => readNumbers(rows, plan.data, shape),
  keepMistakes
}

const scaleCaution =
  "data.scale has to be what the model was trained with: if its accuracy before training, which train prints first, is lower than the model's own, look there"

export const suggestArrays = suggestLayers<ArraysPlan, ClassificationData>({
  newHead: false,
  cautions: ({ scale }) => (scale === 1 ? [] : [scaleCaution])
})

const arrayRows = (source: string, file: string, columns: Columns) =>
  Effect.gen(function* () {
    const probed = yield* Effect.result(firstRows(file, PROBED_ROWS))
    // what cannot be read is refused, with what is expected, when it is opened
    if (Result.isFailure(probed)) return { format: "arrays", choices: [] }
    const rows = arrayColumns(probed.success, columns, yield* rescales(source))
    return typeof rows === "string" ? yield* dataError(file, rows) : rows
  })

const numbersIn = (value: unknown): ReadonlyArray<number> => {
  const list = typeof value === "string" && value.trimStart().startsWith("[") ? listIn(value) : value
  const flat: ReadonlyArray<unknown> = Array.isArray(list) ? list.flat(Number.POSITIVE_INFINITY) : []
  return flat.every((number) => typeof number === "number") ? (flat as ReadonlyArray<number>) : []
}

const BYTE = 255

/** Which columns hold the numbers and the label, and what the numbers are multiplied with; or what was found and expected. */
export const arrayColumns = (rows: ReadonlyArray<Row>, columns: Columns, rescales: boolean): DetectedRows | string => {
  const all = Object.keys(rows[0]!)
  const lists = all.filter((name) => rows.every((row) => numbersIn(row[name]).length > 0))
  const numbered = lists.length === 0 && columns.input === undefined ? numberedColumns(rows, columns.label) : undefined
  const labels = all.filter(
    (name) =>
      !lists.includes(name) &&
      numbered?.names.includes(name) !== true &&
      rows.every((row) => ["string", "number", "boolean"].includes(typeof row[name]))
  )
  const input = columns.input ?? numbered?.pattern ?? only("input", lists)
  const label = columns.label ?? only("label", labels)
  const missing = [
    ...(input === undefined ? [`${found(lists, "a list of numbers")}: name it with --input`] : []),
    ...(label === undefined ? [`${found(labels, "a label")}: name it with --label`] : [])
  ]
  if (input === undefined || label === undefined)
    return `${missing.join("; ")} (found: ${all.slice(0, NAMED).join(", ")})`
  const read = inputReader(input, label)
  const numbers = rows.flatMap((row) => numbersIn(read(row)))
  return {
    format: "arrays",
    choices: [
      choice("data.format", "arrays", "rows of numbers, for a tf.LayersModel"),
      choice("data.input", input, numbered?.reason ?? "the column that holds lists of numbers"),
      choice("data.label", label, "the column that holds a label"),
      ...scaleOf(numbers, rescales)
    ]
  }
}

/** Columns of one number each that a number tells apart ("pixel0", "pixel1", …), as the pattern that has them and no other. */
const numberedColumns = (rows: ReadonlyArray<Row>, label: string | undefined) => {
  const all = Object.keys(rows[0]!).filter((name) => name !== label)
  const numbers = all.filter((name) => rows.every((row) => numberIn(row[name]) !== undefined))
  const patterns = new Set(numbers.flatMap((name) => /^(.*?)\d+$/.exec(name)?.[1] ?? []))
  const found = [...patterns]
    .map((start) => ({ pattern: `${start}*`, names: matching(`${start}*`, all) }))
    .filter(({ names }) => names.length > 1 && names.every((name) => numbers.includes(name)))
    .toSorted((a, b) => b.names.length - a.names.length)
  const [first] = found
  if (first === undefined) return undefined
  const { names } = first
  return {
    ...first,
    reason: `${count(names.length)} columns of one number each, from "${names[0]}" to "${names.at(-1)}"`
  }
}

/** The column of the usual name, or the only one there is. */
const only = (usual: string, candidates: ReadonlyArray<string>): string | undefined =>
  candidates.includes(usual) ? usual : candidates.length === 1 ? candidates[0] : undefined

const found = (candidates: ReadonlyArray<string>, what: string): string =>
  candidates.length === 0 ? `no column holds ${what} in every row` : `${candidates.length} columns may hold ${what}`

/** Numbers that are bytes become 0 to 1, unless the model does so itself. */
const scaleOf = (numbers: ReadonlyArray<number>, rescales: boolean): ReadonlyArray<Choice> => {
  const bytes = numbers.every((number) => Number.isInteger(number) && number >= 0 && number <= BYTE)
  const largest = numbers.reduce((max, number) => Math.max(max, number), 0)
  if (!bytes || largest <= 1 || rescales) return []
  const reason = `whole numbers from 0 to ${count(largest)} look like bytes, and the model has no layer that scales them: 1/${BYTE} makes them 0 to 1, as models of images are mostly trained`
  return [{ path: "data.scale", value: 1 / BYTE, reason }]
}

const detectArrays: Detecting = {
  columns: { arrays: ["input", "label"] },
  takes: isTopology,
  rows: arrayRows
}

export const arrays: RunKind<ArraysPlan, ResolvedArraysPlan> = layersKind({
  rows: arraysRows,
  called: calledArrays,
  suggesting: suggestArrays,
  detecting: detectArrays,
  asked: "< rows.jsonl"
})
