/**
 * Labelled rows of numbers: {"input": [[0, 255], [12, 0]], "label": "7"}. A row is stored as text, with its numbers
 * one after another, and converted to numbers for its batch.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ArraysSection } from "../../schemas/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import { type ClassificationData, openSplits } from "./classification.ts"
import { isBroken, isFields, kindOf } from "./columns.ts"
import { type DataError, dataError } from "./data-error.ts"
import { openLabelledFile, type TextForm } from "./labelled-rows.ts"
import { inputColumns, inputName, inputReader } from "./number-cells.ts"
import { type BatchPosition, batchesPerEpoch, epochOrders, inStretches } from "./order.ts"
import type { ClassificationSplit, TextFields } from "./source.ts"

/** A batch on the host, for one input of a LayersModel, with one class per row. */
export interface ArrayBatch {
  /** number of rows */
  readonly size: number
  /** equal to the number of rows; the unit of a step's speed */
  readonly tokens: number
  /** one entry per input of the model, shape [size, …] */
  readonly inputs: ReadonlyArray<{
    /** row-major, scaled */
    readonly values: Float32Array
    /** `[size, …]` */
    readonly shape: ReadonlyArray<number>
    readonly dtype: "float32"
  }>
  /** one entry per target: classes, shape [size] */
  readonly targets: ReadonlyArray<{
    /** row-major */
    readonly values: Int32Array
    /** `[size]` */
    readonly shape: ReadonlyArray<number>
    readonly dtype: "int32"
  }>
  /** classes, shape `[size]` */
  readonly labels: Int32Array
  /** row indices in the split, shape `[size]` */
  readonly rows: Uint32Array
}

/** Opens the files of the section until the scope closes. Every row must have `size` numbers. Fails with all problems. */
export const openArrays = (
  section: ArraysSection,
  seed: number,
  size: number
): Effect.Effect<ClassificationData, DataError, Scope.Scope> => {
  const form: TextForm = {
    role: "input",
    textOf: (value) => numbersText(value, size),
    of: { columns: inputColumns(section.input), valueIn: inputReader(section.input, section.label) }
  }
  const columns = { text: inputName(section.input), label: section.label }
  return openSplits(section, seed, (path) => openLabelledFile(path, columns, form))
}

interface ArrayOptions {
  /** rows per batch; the last batch of an epoch may be smaller */
  readonly batchSize: number
  /** shape of one row */
  readonly shape: ReadonlyArray<number>
  /** factor that every number is multiplied by */
  readonly scale: number
}

interface ArrayTrainingOptions extends ArrayOptions {
  /** seed of the row order of all epochs */
  readonly seed: number
  /** first batch to yield */
  readonly start: BatchPosition
}

/**
 * Yields batches endlessly, epoch after epoch, each epoch in its own seeded order; the last batch of an epoch may be smaller. The rows of
 * batch (epoch, index) depend on nothing else.
 */
export const arrayTrainingBatches = (
  split: ClassificationSplit,
  { seed, start, ...options }: ArrayTrainingOptions
): Stream.Stream<
  ArrayBatch & {
    /** epoch, from 0 */
    readonly epoch: number
    /** index of the batch within the epoch, from 0 */
    readonly index: number
  },
  DataError
> => {
  const perEpoch = batchesPerEpoch(split.rows, options.batchSize)
  return Stream.suspend(() => {
    const orderOf = epochOrders(split.rows, seed)
    return Stream.paginate(start, ({ epoch: from, batch: at }) => {
      const [epoch, index] = [from + Math.floor(at / perEpoch), at % perEpoch]
      const rows = orderOf(epoch).slice(index * options.batchSize, (index + 1) * options.batchSize)
      return Effect.map(
        readBatch(split, rows, options),
        (batch) => [[{ ...batch, epoch, index }], Option.some({ epoch, batch: index + 1 })] as const
      )
    })
  })
}

/** Yields the first `rows` rows in order, each once. */
export const arrayEvaluationBatches = (
  split: ClassificationSplit,
  {
    rows = split.rows,
    ...options
  }: ArrayOptions & {
    /** default and maximum: all rows of the split */
    readonly rows?: number
  }
): Stream.Stream<ArrayBatch, DataError> =>
  inStretches(Math.min(rows, split.rows), options.batchSize, (indices) =>
    Effect.map(readBatch(split, indices, options), (batch) => [batch])
  )

/**
 * Reads rows of numbers typed by a user: a JSON list each, or an object with one in the section's column. They have no class: the
 * labels of the batch are 0.
 */
export const readNumbers = (
  texts: ReadonlyArray<TextFields>,
  { input, scale, label }: Asking & Pick<ArraysSection, "scale">,
  shape: ReadonlyArray<number>
): Effect.Effect<ArrayBatch, DataError> =>
  Effect.suspend(() => {
    const size = shape.reduce((product, n) => product * n, 1)
    const values = new Float32Array(texts.length * size)
    for (const [i, { text }] of texts.entries()) {
      const numbers = numbersFrom(text, { input, ...(label === undefined ? {} : { label }) }, size)
      if ("problem" in numbers) return Effect.fail(dataError(`row ${i + 1}`, numbers.problem))
      values.set(numbersOf(numbers.text, scale), i * size)
    }
    const rows = Uint32Array.from(texts, (_, i) => i)
    return Effect.succeed(arrayBatchOf(values, shape, new Int32Array(texts.length), rows))
  })

/** The columns with the numbers of input rows. */
type Asking = Pick<ArraysSection, "input"> & Partial<Pick<ArraysSection, "label">>

const numbersFrom = (text: string, { input, label }: Asking, size: number): ReturnType<typeof numbersText> => {
  const parsed = parseBoundedJson(text)
  if ("problem" in parsed) return { problem: `${parsed.problem}; ${expected(size)}` }
  const list = isFields(parsed.value) ? inputReader(input, label)(parsed.value) : parsed.value
  return isBroken(list) ? { problem: list.broken } : numbersText(list, size)
}

/** Returns why a text is not a row of `readNumbers`, or undefined. */
export const numbersProblem = (text: string, section: Asking, shape: ReadonlyArray<number>): string | undefined => {
  const size = shape.reduce((product, n) => product * n, 1)
  const numbers = numbersFrom(text, section, size)
  return "problem" in numbers ? numbers.problem : undefined
}

const expected = (size: number): string => `expected a JSON list of ${size} numbers on one line`

/** Creates a batch. `values`: shape [rows, ...shape]. */
export const arrayBatchOf = (
  values: Float32Array,
  shape: ReadonlyArray<number>,
  labels: Int32Array,
  rows: Uint32Array
): ArrayBatch => {
  const size = labels.length
  return {
    size,
    tokens: size,
    inputs: [{ values, shape: [size, ...shape], dtype: "float32" }],
    targets: [{ values: labels, shape: [size], dtype: "int32" }],
    labels,
    rows
  }
}

const readBatch = (split: ClassificationSplit, rows: Uint32Array, { shape, scale }: ArrayOptions) =>
  Effect.map(split.read(rows), (read): ArrayBatch => {
    const size = rows.length
    const values = new Float32Array(size * shape.reduce((product, n) => product * n, 1))
    const width = values.length / size
    read.forEach(({ text }, i) => {
      values.set(numbersOf(text, scale), i * width)
    })
    return arrayBatchOf(
      values,
      shape,
      Int32Array.from(read, ({ label }) => split.labels.indexOf(label)),
      rows
    )
  })

/** Converts a list, nested or flat, of exactly `size` finite numbers to text; or returns the problem as the end of a sentence. */
const numbersText = (value: unknown, size: number): { readonly text: string } | { readonly problem: string } => {
  const list = listIn(value)
  if (!Array.isArray(list)) return { problem: `is ${kindOf(value)}, expected a list of ${size} numbers` }
  const numbers = numbersIn(list)
  if (numbers === undefined) return { problem: `has lists of different lengths, expected ${size} numbers` }
  const wrong = numbers.findIndex((number) => typeof number !== "number" || !Number.isFinite(number))
  if (wrong >= 0) return { problem: `has ${kindOf(numbers[wrong])} at ${wrong}, expected numbers` }
  if (numbers.length !== size) return { problem: `has ${numbers.length} numbers, expected ${size}` }
  return { text: numbers.join(" ") }
}

/** Returns the elements of nested lists, or undefined if those of one level differ in length. */
const numbersIn = (list: ReadonlyArray<unknown>): ReadonlyArray<unknown> | undefined => {
  let level = list
  while (level.some(Array.isArray)) {
    const lists = level.filter(Array.isArray)
    if (lists.length < level.length || lists.some(({ length }) => length !== lists[0]!.length)) return undefined
    level = lists.flat()
  }
  return level
}

/** Parses a list; a CSV file has it as JSON text. */
export const listIn = (value: unknown): unknown => {
  if (typeof value !== "string") return value
  const parsed = parseBoundedJson(value)
  return "value" in parsed && Array.isArray(parsed.value) ? parsed.value : value
}

/** Parses numbers written by `numbersText`, each multiplied by `scale`. */
const numbersOf = (text: string, scale: number): Float32Array =>
  Float32Array.from(text.split(" "), (number) => scale * Number(number))
