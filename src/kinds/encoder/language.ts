/** Warnings about texts whose language the model was not trained on, or whose characters its tokenizer lacks. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { percent } from "../../boundary/index.ts"
import {
  type DataError,
  encoded,
  includesLanguage,
  inParts,
  LanguageGuesser,
  type Located,
  languageNames,
  languageOf,
  type RowSource,
  type TextFields
} from "../../data/index.ts"
import { readBaseCard, type Tokenizer } from "../../models/index.ts"

/** Number of rows to check, evenly spaced. */
const LOOKED_AT = 40
/** Maximum number of tokens to check per row. */
const LONGEST = 512
/** Fraction of unknown tokens above which the vocabulary does not cover the texts, in any language. */
const UNKNOWN = 0.2

const MULTILINGUAL = "--model hf:sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"

const textsOf = ({ text, textPair }: TextFields): string => (textPair === undefined ? text : `${text} ${textPair}`)

/** Returns a warning of one sentence, or an empty list. `folder`: the model's, which may have a card. */
export const languageWarnings = (
  source: RowSource<TextFields & Located>,
  tokenizer: Pick<Tokenizer, "encode" | "unknownId">,
  folder: string
): Effect.Effect<ReadonlyArray<string>, DataError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const count = Math.min(source.rows, LOOKED_AT)
    const indices = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * source.rows) / count))
    const rows = yield* inParts(indices, source.read)
    const where = `train (${source.where})`
    const share = unknownShare(rows, tokenizer)
    const part = `${percent(share)} of the tokens`
    const { languages = [] } = yield* readBaseCard(path.join(folder, "README.md"))
    const names = languageNames(languages) ?? []
    const guess = names.length === 0 ? undefined : yield* yield* LanguageGuesser
    const language = guess === undefined ? undefined : languageOf(rows.map(textsOf), guess)
    if (language !== undefined && !includesLanguage(names, language)) {
      const cause = `the texts are in ${language}, and the model is for ${names.join(", ")}, as its card says`
      const unknown = share < 0.01 ? "" : `; ${part} are unknown to its tokenizer`
      return [`${where}: ${cause}${unknown}; use a multilingual model, such as ${MULTILINGUAL}`]
    }
    return share < UNKNOWN
      ? []
      : [
          `${where}: ${part} are unknown to the model's tokenizer; use a model for the language of the texts, or a multilingual one, such as ${MULTILINGUAL}`
        ]
  })

/** Returns the fraction of unknown tokens in rows, in 0 … 1. */
const unknownShare = (
  rows: ReadonlyArray<TextFields & Located>,
  { encode, unknownId }: Pick<Tokenizer, "encode" | "unknownId">
): number => {
  if (unknownId === undefined) return 0
  const ids = rows.flatMap((row) => {
    const encoding = encoded(row, { encode }, LONGEST)
    return "ids" in encoding ? encoding.ids : []
  })
  return ids.filter((id) => id === unknownId).length / Math.max(1, ids.length)
}
