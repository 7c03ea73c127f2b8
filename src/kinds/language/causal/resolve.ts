/** A plan over conversations, completions or texts before its model's weights are read. */
import type { CausalPlan } from "../../../../schemas/index.ts"
import {
  causalBatchesPerEpoch,
  meanTokens,
  type OpenedCausal,
  openCausal,
  withTemplateDate
} from "../../../data/causal/index.ts"
import { type LanguageRows, type ResolvedLanguagePlan, resolveLanguage } from "../resolve.ts"

export interface ResolvedCausalPlan extends ResolvedLanguagePlan<CausalPlan, OpenedCausal> {}

const causalRows: LanguageRows<CausalPlan, OpenedCausal> = {
  open: ({ data, seed }, tokenizer) => openCausal(data, seed, tokenizer),
  filled: (plan, _, tokenizer) => ({ ...plan, data: withTemplateDate(plan.data, tokenizer) }),
  batchesPerEpoch: ({ seed, training: { batchSize }, data: { bucketPool, packing } }, { splits }, maxLength) =>
    causalBatchesPerEpoch(splits.train, { seed, batchSize, bucketPool, packing, maxLength }),
  tokens: ({ splits }, maxLength) => meanTokens(splits.train, maxLength),
  sequences: 1,
  // packed rows are others in every epoch
  sameRows: ({ data }) => !data.packing
}

export const resolveCausal = (plan: CausalPlan, name: string) => resolveLanguage(plan, name, causalRows)
