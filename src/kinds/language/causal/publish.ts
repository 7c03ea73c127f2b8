/** Causal language models on conversations, completions or texts: exports. */
import type { CausalPlan } from "../../../../schemas/index.ts"
import type { CausalSplit } from "../../../data/causal/index.ts"
import type { CausalModel } from "../../../models/causal/index.ts"
import { peftReader } from "../../../output/index.ts"
import type { Publisher } from "../../contract/index.ts"
import { languageCard, mergedLanguage } from "../publish.ts"
import { servedLanguage } from "../served.ts"
import type { ResolvedCausalPlan } from "./run.ts"

const learned = {
  chat: "conversations",
  completion: "prompts",
  text: "texts"
} as const satisfies { readonly [F in CausalPlan["data"]["format"]]: string }

export const publishCausal: Publisher<CausalPlan, ResolvedCausalPlan, CausalModel, CausalSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: { of: ({ plan, adapted }) => servedLanguage(adapted, plan.data.format === "chat") },
  card: (source) => languageCard(source, `to continue ${learned[source.resolved.plan.data.format]}`),
  merge: ({ plan, adapted, steps }, splits, run, folder) => {
    const chat = plan.data.format === "chat"
    return mergedLanguage({ plan, adapted, steps, chat, splits: (merged) => splits(merged, plan) }, run, folder)
  }
}
