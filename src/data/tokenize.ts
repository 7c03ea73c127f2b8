/** Labelled texts become examples: token ids and a class. */
import * as Effect from "effect/Effect"
import { closest } from "../../schemas/closest.ts"
import { DataError, dataError } from "./data-error.ts"
import type { Example, LabelledText } from "./row.ts"

/** What is needed of a tokenizer: a model's tokenizer has it, and so has a function of your own. */
export interface TextTokenizer {
  /** Ids with special tokens, at most `maxLength` of them. */
  readonly encode: (
    text: string,
    maxLength: number
  ) => { readonly ids: ReadonlyArray<number>; readonly typeIds: ReadonlyArray<number> }
  readonly padId: number
}

/** Tokenises rows. Fails on a label that is no class and on a text without any token. */
export const tokenizeRows = (
  rows: ReadonlyArray<LabelledText>,
  tokenizer: Pick<TextTokenizer, "encode">,
  labels: ReadonlyArray<string>,
  maxLength: number
): Effect.Effect<ReadonlyArray<Example>, DataError> => {
  const classOf = new Map(labels.map((label, i) => [label, i]))
  const examples: Array<Example> = []
  for (const row of rows) {
    const label = classOf.get(row.label)
    if (label === undefined) return Effect.fail(unknownLabel(row, labels))
    const encoding = encoded(row, tokenizer, maxLength)
    if (encoding instanceof DataError) return Effect.fail(encoding)
    const { ids, typeIds } = encoding
    if (ids.length === 0) return Effect.fail(dataError(row.where, "the text has no tokens"))
    examples.push({ ids, typeIds, label })
  }
  return Effect.succeed(examples)
}

/** A tokenizer is code that we did not write, on a text that it did not choose. */
export const encoded = (row: LabelledText, tokenizer: Pick<TextTokenizer, "encode">, maxLength: number) => {
  try {
    return tokenizer.encode(row.text, maxLength)
  } catch (cause) {
    return dataError(row.where, `cannot be tokenized: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

const unknownLabel = (row: LabelledText, labels: ReadonlyArray<string>): DataError => {
  const near = closest(row.label, labels)
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  return dataError(row.where, `the label "${row.label}" is not among the classes ${labels.join(", ")}${hint}`)
}
