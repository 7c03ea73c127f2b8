/** Causal language models on pairs of answers: exports. */
import * as Effect from "effect/Effect"
import type { PreferencePlan } from "../../../../schemas/index.ts"
import { mapSplits } from "../../../data/index.ts"
import { chosenOf, type PreferenceSplit } from "../../../data/preference/index.ts"
import { peftReader } from "../../../output/index.ts"
import type { Publisher } from "../../contract/index.ts"
import { languageCard, mergedLanguage } from "../publish.ts"
import { servedLanguage } from "../served.ts"
import { type PairsModel, pairsModel, writingModel } from "./pairs-model.ts"
import type { ResolvedPreferencePlan } from "./run.ts"

export const publishPreference: Publisher<PreferencePlan, ResolvedPreferencePlan, PairsModel, PreferenceSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: { of: ({ plan, adapted }) => servedLanguage(writingModel(adapted), plan.data.form !== "text") },
  card: (source) => {
    const { loss } = source.resolved.plan
    return languageCard(source, "to give preferred answers", [["loss", `${loss.kind}, β ${loss.beta}`]])
  },
  merge: ({ plan, adapted, steps }, splits, run, folder) =>
    mergedLanguage(
      {
        plan,
        adapted: writingModel(adapted),
        steps,
        chat: plan.data.form !== "text",
        splits: (merged) =>
          Effect.map(splits({ ...adapted, model: pairsModel(merged.model) }, plan), (rows) => mapSplits(rows, chosenOf))
      },
      run,
      folder
    )
}
