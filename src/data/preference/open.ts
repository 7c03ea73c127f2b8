/** Opens the `data` section of a plan over preferences, like `causal/open.ts`, for both sides of every pair. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type PreferenceData, preferenceColumns } from "../../../schemas/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { nothingToLearn } from "../causal/batches.ts"
import { conversationColumns } from "../causal/content.ts"
import { type OpenedTokens, openTokens, type TokenForm } from "../causal/open.ts"
import { type DataError, dataError } from "../data-error.ts"
import { firstRows } from "../formats/index.ts"
import { formOf, type PreferenceRow, preferencesOf } from "./row.ts"
import { type PreferenceSplit, pairsOf, sidesOf } from "./split.ts"

export interface OpenedPreferences extends OpenedTokens<PreferenceSplit> {
  /** form of the rows: set in the plan, or detected from the first training row */
  readonly form: "messages" | "text"
}

const ENCODINGS = {
  messages: { format: "chat", lossOn: "assistant" },
  text: { format: "completion", lossOn: "completion" }
} as const

/** Opens the files until the scope closes. `seed` determines which rows a validation share holds out. */
export const openPreferences = (
  section: PreferenceData,
  seed: number,
  tokenizer: CausalTokenizer
): Effect.Effect<OpenedPreferences, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const form = section.form ?? formOf((yield* firstRows(section.train, 1))[0], section)
    const { prompt, chosen, rejected, promptNeeded } = preferenceColumns(section)
    const answers = [{ name: chosen }, { name: rejected }]
    const readsPrompt = promptNeeded || form === "text"
    const rows: TokenForm<PreferenceRow, PreferenceSplit> = {
      encoding: ENCODINGS[form],
      columns: {
        required: [
          ...(readsPrompt ? [{ name: prompt }] : []),
          ...answers,
          ...(section.tools === undefined ? [] : [{ name: section.tools }])
        ],
        optional: [...(readsPrompt ? [] : [prompt]), ...conversationColumns(section)]
      },
      read: (value) => preferencesOf(value, { ...section, form }),
      contents: (row) => [row.chosen, row.rejected],
      splitOf: ({ rows, where, read }, encode) => ({ rows, where, read, encode }),
      sequences: sidesOf
    }
    const opened = yield* openTokens(section, seed, tokenizer, rows)
    const descriptions = opened.describe()
    for (const [i, split] of Object.values(opened.splits).entries()) {
      if (descriptions[i]!.unlearned > 0) yield* somethingCompared(split, section.maxLength)
    }
    return { ...opened, form }
  })

// the number of rows on which lengths are measured
const SAMPLE = 256

/** Fails if truncation leaves no comparable pair in a sample. */
const somethingCompared = (split: PreferenceSplit, maxLength: number): Effect.Effect<void, DataError> =>
  Effect.gen(function* () {
    const count = Math.min(split.rows, SAMPLE)
    const rows = Array.from({ length: count }, (_, i) => Math.floor((i * split.rows) / count))
    const pairs = yield* pairsOf(split, rows, maxLength)
    if (pairs.length === 0) yield* dataError(split.where, nothingToLearn(maxLength))
  })
