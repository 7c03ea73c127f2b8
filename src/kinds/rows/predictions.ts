/** Shared by runners of labelled rows: rows after training, predictions, and the classes in model cards and merged models. */
import * as Effect from "effect/Effect"
import type { ArraysPlan, ClassificationPlan, ImageArraysPlan, ImagesPlan, LabelLoss } from "../../../schemas/index.ts"
import { isRecord, quoted } from "../../boundary/index.ts"
import {
  type Broken,
  type ClassificationData,
  type ClassificationSplit,
  type DataError,
  dataError,
  isBroken,
  type RowSource,
  type SplitSection,
  stringField,
  type TextColumns,
  type TextFields
} from "../../data/index.ts"
import { parseBoundedJson } from "../../files/index.ts"
import { markdown } from "../../output/index.ts"
import { type Loss, labelCrossEntropy } from "../../training/index.ts"
import type { Asked, AskedField, Prediction } from "../contract/index.ts"

type Section = (ClassificationPlan | ArraysPlan | ImagesPlan | ImageArraysPlan)["data"]

/** Returns the data section of a trained plan with its classes; with `file`, its rows replace all splits. */
export const rowsOf = <S extends Section>(section: S, labels: ReadonlyArray<string>, file?: string): S => ({
  ...onlyFile(section, file),
  labels
})

/** Returns the data section with the rows of `file` instead of all splits; unchanged without a file. */
export const onlyFile = <S extends SplitSection>(section: S, file: string | undefined): S => {
  if (file === undefined) return section
  const { validation: _, test: __, ...columns } = section
  return { ...columns, train: file } as S
}

/** Returns the training loss: class weights and label smoothing of the plan. `data`: its training rows determine "balanced" weights. */
export const plannedLoss = (
  { loss = { labelSmoothing: 0 } }: { readonly loss?: LabelLoss },
  { labels, splits }: Pick<ClassificationData, "labels" | "splits">
): Loss =>
  labelCrossEntropy({ weights: weightsOf(loss.classWeights, labels, splits.train), smoothing: loss.labelSmoothing })

const weightsOf = (
  classWeights: LabelLoss["classWeights"],
  labels: ReadonlyArray<string>,
  { rows, classCounts = [] }: ClassificationSplit
): ReadonlyArray<number> | undefined => {
  if (classWeights === undefined) return undefined
  // a class without rows has no loss
  if (classWeights === "balanced") return labels.map((_, i) => rows / (labels.length * (classCounts[i] || rows)))
  return labels.map((label) => (Object.hasOwn(classWeights, label) ? classWeights[label]! : 1))
}

export const onlySplits = Effect.map(({ splits }: ClassificationData) => splits)

/** Returns the purpose of a classifier for its model card. */
export const classesPurpose = (labels: ReadonlyArray<string>, what: string): string => {
  const named = labels.slice(0, 30).map(markdown).join(", ")
  const more = labels.length > 30 ? ` and ${labels.length - 30} more` : ""
  return `to distinguish ${labels.length} classes of ${what}: ${named}${more}`
}

/** Returns the limitations of a classifier for its model card; `what`: the word for a row. */
export const classesLimits = (labels: ReadonlyArray<string>, what: string): string =>
  `answers every ${what} with one of its ${labels.length} classes, whatever the ${what} is about; its probabilities are not calibrated.`

/**
 * Returns the input texts of strings or rows with the columns of the plan. For a plan over pairs, a string is a JSON object with both
 * texts.
 */
export const askedTexts = (
  inputs: ReadonlyArray<Asked>,
  columns: TextColumns
): Effect.Effect<ReadonlyArray<TextFields>, DataError> =>
  Effect.forEach(inputs, (input, i) => {
    const text = askedText(input, columns)
    return isBroken(text) ? Effect.fail(dataError(`row ${i + 1}`, text.broken)) : Effect.succeed(text)
  })

const askedText = (input: Asked, { text: column, textPair: pairColumn }: TextColumns): TextFields | Broken => {
  if (typeof input === "string" && pairColumn === undefined) return { text: input }
  const row = typeof input === "string" ? rowIn(input) : input
  if (row === undefined) {
    const both = `{"${column}": "…", "${pairColumn}": "…"}`
    return {
      broken: `found ${quoted(String(input))}; this run reads pairs of texts: expected an object such as ${both}`
    }
  }
  const text = stringField(row, column, { blank: false })
  if (typeof text !== "string") return text
  if (pairColumn === undefined) return { text }
  const textPair = stringField(row, pairColumn, { blank: false })
  return typeof textPair === "string" ? { text, textPair } : textPair
}

/** Returns why `askedTexts` cannot read an input; undefined if it can. */
export const askedProblem = (input: Asked, columns: TextColumns): string | undefined => {
  const text = askedText(input, columns)
  return isBroken(text) ? text.broken : undefined
}

/** Returns the input fields and samples of runs over texts or pairs of texts. */
export const askingTexts = <Plan>(columnsOf: (plan: Plan) => TextColumns) => ({
  fields: (_: unknown, plan: Plan): readonly [AskedField, ...ReadonlyArray<AskedField>] => {
    const { text, textPair } = columnsOf(plan)
    const field = (name: string): AskedField => ({ name, type: "text" })
    return [field(text), ...(textPair === undefined ? [] : [field(textPair)])]
  },
  examples: (source: RowSource<TextFields>, plan: Plan, rows: ReadonlyArray<number>) =>
    Effect.map(source.read(rows), (read) => {
      const { text: column, textPair: pairColumn } = columnsOf(plan)
      return read.map(({ text, textPair }) => ({
        [column]: text,
        ...(pairColumn === undefined || textPair === undefined ? {} : { [pairColumn]: textPair })
      }))
    })
})

/** Parses a row from a JSON object; undefined for other texts. */
const rowIn = (text: string): Readonly<Record<string, unknown>> | undefined => {
  const parsed = parseBoundedJson(text)
  return "value" in parsed && isRecord(parsed.value) ? parsed.value : undefined
}

/** Returns one prediction per text, in order; `logits`: of at most `size` texts at a time, shape [texts, classes]. */
export const predictionsOf = <A extends TextFields, E, R>(
  texts: ReadonlyArray<A>,
  size: number,
  labels: ReadonlyArray<string>,
  logits: (texts: ReadonlyArray<A>) => Effect.Effect<Float32Array, E, R>
): Effect.Effect<ReadonlyArray<Prediction>, E, R> =>
  Effect.gen(function* () {
    const predictions: Array<Prediction> = []
    const named = (values: ArrayLike<number>) => Object.fromEntries(labels.map((name, j) => [name, values[j]!]))
    for (let start = 0; start < texts.length; start += size) {
      const some = texts.slice(start, start + size)
      const all = yield* logits(some)
      for (const [i, { text, textPair }] of some.entries()) {
        const rowLogits = Array.from(all.subarray(i * labels.length, (i + 1) * labels.length))
        const largest = Math.max(...rowLogits)
        const exponentials = rowLogits.map((logit) => Math.exp(logit - largest))
        const sum = exponentials.reduce((total, part) => total + part, 0)
        predictions.push({
          text,
          ...(textPair === undefined ? {} : { textPair }),
          label: labels[rowLogits.indexOf(largest)]!,
          probabilities: named(exponentials.map((part) => part / sum)),
          logits: named(rowLogits)
        })
      }
    }
    return predictions
  })
