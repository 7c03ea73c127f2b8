/** Texts with numeric targets, one per model output, and their batches. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { MultiLabelSection } from "../../schemas/index.ts"
import { quoted } from "../boundary/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import type { TokenTexts } from "../tensors/index.ts"
import { type Numbered, pooledBatches, stretchedBatches } from "./batching.ts"
import { type Fields, kindOf } from "./columns.ts"
import { DataError, dataError } from "./data-error.ts"
import { fieldOf, longestLabel, type RowTargets } from "./labelled-rows.ts"
import { inParts, type Located, type RowSource, type TextFields, type TokenizedText } from "./source.ts"
import {
  type EvaluationBatchOptions,
  lengthBatches,
  type Padding,
  padTexts,
  type TrainingBatchOptions
} from "./text-batches.ts"
import { encoded, type TextTokenizer } from "./tokenize.ts"

/** A text and its targets. */
export interface TargetText extends TextFields, Located {
  /** target values, in the order of the plan's columns */
  readonly targets: ReadonlyArray<number>
}

/** A text and its labels. */
export interface LabelsText extends TextFields, Located {
  /** distinct labels */
  readonly labels: ReadonlyArray<string>
}

/** Reads columns of numbers, which text files contain as text. */
export const numberTargets = (targets: ReadonlyArray<string>): RowTargets<TargetText> => ({
  columns: targets.map((name) => ({ name, role: "target field" })),
  read: (row, reasons) => ({ targets: targets.map((name) => numberIn(row, name, reasons)) })
})

const decimal = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i

const numberIn = (row: Fields, name: string, reasons: Array<string>): number => {
  const value = fieldOf(row, name, "target", reasons)
  const number = typeof value === "string" && decimal.test(value) ? Number(value) : value
  // values beyond float32 would be infinite to the model
  if (typeof number === "number" && Number.isFinite(Math.fround(number))) return number
  if (value !== undefined) {
    const observation =
      typeof value === "string" ? quoted(value) : typeof value === "number" ? "too large" : kindOf(value)
    reasons.push(`the target "${name}" is ${observation}, expected a number such as 3.5`)
  }
  return 0
}

/** Formats a set of labels as text, independent of their order. */
export const setOf = (labels: ReadonlyArray<string>): string => JSON.stringify([...labels].sort())

/** Parses such a set. */
export const labelsOf = (set: string): ReadonlyArray<string> => JSON.parse(set) as ReadonlyArray<string>

/** Reads rows with targets of 1 for the labels that they have, and 0 for others. */
export const labelledTargets = (
  { rows, where, read }: RowSource<LabelsText>,
  labels: ReadonlyArray<string>
): RowSource<TargetText> => ({
  rows,
  where,
  read: (indices) =>
    Effect.map(read(indices), (some) =>
      some.map(({ labels: rowLabels, ...row }) => ({
        ...row,
        targets: labels.map((label) => (rowLabels.includes(label) ? 1 : 0))
      }))
    )
})

/** Reads labels in a column of lists, or in one column of 0 and 1 per label. */
export const labelTargets = (
  section: Pick<MultiLabelSection, "label" | "labelSeparator" | "labelColumns">
): RowTargets<LabelsText> => {
  const { label, labelSeparator, labelColumns } = section
  return {
    columns: (labelColumns ?? [label]).map((name) => ({ name, role: "label field" })),
    read: (row, reasons) => ({
      labels:
        labelColumns === undefined
          ? listIn(row, label, labelSeparator, reasons)
          : labelColumns.filter((name) => flagIn(row, name, reasons))
    }),
    label: ({ labels }) => setOf(labels)
  }
}

/** Parses a list of labels, a JSON list, or separated names; a blank cell has no labels. */
const listIn = (row: Fields, name: string, separator: string, reasons: Array<string>): ReadonlyArray<string> => {
  const value = fieldOf(row, name, "label", reasons)
  if (value === undefined || value === null) return []
  const list = typeof value === "string" ? listInText(value, separator) : value
  if (!Array.isArray(list)) {
    reasons.push(`the labels "${name}" are ${kindOf(value)}, expected a list of labels`)
    return []
  }
  const wrong = list.find(
    (label) => typeof label !== "string" && typeof label !== "number" && typeof label !== "boolean"
  )
  if (wrong !== undefined) reasons.push(`the labels "${name}" hold ${kindOf(wrong)}, expected strings`)
  const labels = list.map(String)
  if (labels.some((label) => label.trim() === "")) reasons.push(`the labels "${name}" hold a blank one`)
  const long = labels.find(({ length }) => length > longestLabel)
  if (long !== undefined)
    reasons.push(`the labels "${name}" hold one of ${long.length} characters, at most ${longestLabel} are expected`)
  return [...new Set(labels)]
}

const listInText = (text: string, separator: string): unknown => {
  if (text.trim() === "") return []
  const parsed = text.trimStart().startsWith("[") ? parseBoundedJson(text) : undefined
  if (parsed !== undefined && "value" in parsed && Array.isArray(parsed.value)) return parsed.value
  return text.split(separator).map((part) => part.trim())
}

const flags = new Map([
  ["1", true],
  ["true", true],
  ["0", false],
  ["false", false]
])

const flagIn = (row: Fields, name: string, reasons: Array<string>): boolean => {
  const value = fieldOf(row, name, "label", reasons)
  const flag = typeof value === "object" ? undefined : flags.get(String(value).trim().toLowerCase())
  if (flag === undefined && value !== undefined) {
    const observation = typeof value === "string" ? quoted(value) : typeof value === "number" ? value : kindOf(value)
    reasons.push(`the label "${name}" is ${observation}, expected 1 or 0, true or false`)
  }
  return flag ?? false
}

/** Returns input texts, which have no targets, with `width` zeros each. */
export const unknownTargets = (texts: ReadonlyArray<TextFields>, width: number): RowSource<TargetText> => {
  const targets = new Array<number>(width).fill(0)
  const rows = texts.map((text): TargetText => ({ ...text, targets, where: `the text ${quoted(text.text)}` }))
  return {
    rows: rows.length,
    where: "texts",
    read: (indices) => Effect.succeed(Array.from(indices, (index) => rows[index]!))
  }
}

interface TargetExample extends TokenizedText {
  readonly targets: ReadonlyArray<number>
}

/** A batch on the host. */
export interface TargetRows extends TokenTexts {
  /** row-major, shape [size, outputs] */
  readonly targets: Float32Array
}

export interface TargetBatch extends TargetRows {
  /** row indices in the split, shape `[size]` */
  readonly rows: Uint32Array
}

/** Pads texts with targets to one batch: tokens [size, length], targets [size, targets]. */
export const padTargets = (examples: ReadonlyArray<TargetExample>, padding: Padding): TargetRows => ({
  ...padTexts(examples, padding),
  targets: Float32Array.from(examples.flatMap(({ targets }) => targets))
})

/** Tokenizes rows. Fails for a text without tokens. */
export const targetExamples = (
  rows: ReadonlyArray<TargetText>,
  tokenizer: Pick<TextTokenizer, "encode">,
  maxLength: number
): Effect.Effect<ReadonlyArray<TargetExample>, DataError> =>
  Effect.forEach(rows, (row) => {
    const encoding = encoded(row, tokenizer, maxLength)
    if (encoding instanceof DataError) return Effect.fail(encoding)
    if (encoding.ids.length === 0) return Effect.fail(dataError(row.where, "the text has no tokens"))
    return Effect.succeed({ ...encoding, targets: row.targets })
  })

const readTargets =
  (source: RowSource<TargetText>, tokenizer: TextTokenizer, maxLength: number) => (indices: ArrayLike<number>) =>
    inParts(indices, (part) => Effect.flatMap(source.read(part), (rows) => targetExamples(rows, tokenizer, maxLength)))

/** Yields batches endlessly. Requires a split with at least one row. */
export const targetTrainingBatches = (
  source: RowSource<TargetText>,
  tokenizer: TextTokenizer,
  { maxLength, padMultiple = 1, ...options }: TrainingBatchOptions
): Stream.Stream<TargetRows & Numbered, DataError> =>
  pooledBatches(
    {
      rows: source.rows,
      read: readTargets(source, tokenizer, maxLength),
      lengthOf: ({ ids }) => ids.length,
      pad: (examples) => padTargets(examples, { padId: tokenizer.padId, padMultiple, maxLength })
    },
    options
  )

/** Yields every row once; see `stretchedBatches`. */
export const targetBatches = (
  source: RowSource<TargetText>,
  tokenizer: TextTokenizer,
  { batchSize, maxLength, rows, padMultiple = 1 }: EvaluationBatchOptions
): Stream.Stream<TargetBatch, DataError> => {
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  return stretchedBatches(
    { rows: source.rows, read: readTargets(source, tokenizer, maxLength) },
    { batchSize, rows },
    (examples, indices) => {
      const numbered = examples.map((example, i) => ({ ...example, row: indices[i]! }))
      return lengthBatches(numbered, ({ ids }) => ids.length, batchSize, padding).map((batch) => ({
        ...padTargets(batch, padding),
        rows: Uint32Array.from(batch, ({ row }) => row)
      }))
    }
  )
}
