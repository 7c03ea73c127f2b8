/** A plan over pairs of answers before its model's weights are read. */
import * as Effect from "effect/Effect"
import type { PreferencePlan } from "../../../../schemas/index.ts"
import { meanTokens, withTemplateDate } from "../../../data/causal/index.ts"
import { batchesPerEpoch } from "../../../data/index.ts"
import { type OpenedPreferences, openPreferences, sidesOf } from "../../../data/preference/index.ts"
import { type LanguageRows, type ResolvedLanguagePlan, resolveLanguage } from "../resolve.ts"

export interface ResolvedPreferencePlan extends ResolvedLanguagePlan<PreferencePlan, OpenedPreferences> {}

/** Sequences of a batch for each of its pairs. */
export const SEQUENCES = 2

const pairRows: LanguageRows<PreferencePlan, OpenedPreferences> = {
  open: ({ data, seed }, tokenizer) => openPreferences(data, seed, tokenizer),
  filled: (plan, { form }, tokenizer) => ({ ...plan, data: withTemplateDate({ ...plan.data, form }, tokenizer) }),
  batchesPerEpoch: ({ training: { batchSize } }, { splits }) =>
    Effect.succeed(batchesPerEpoch(splits.train.rows, batchSize)),
  tokens: ({ splits }, maxLength) =>
    Effect.map(meanTokens(sidesOf(splits.train), maxLength), (tokens) => SEQUENCES * tokens),
  sequences: SEQUENCES,
  sameRows: () => true
}

export const resolvePreference = (plan: PreferencePlan, name: string) => resolveLanguage(plan, name, pairRows)
