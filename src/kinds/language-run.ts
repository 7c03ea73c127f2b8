/** What runs of language models share, whatever their rows are: how they are loaded, saved and restored. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type CausalModel, loadCausal } from "../models/causal/index.ts"
import { restoreAdapter, saveAdapter } from "../output/adapter-folder.ts"
import type { OpenedData } from "../plan/index.ts"
import type { Loadable } from "./kind.ts"
import type { LanguagePlan, ResolvedLanguagePlan } from "./language-resolve.ts"

/** A language model was asked for labels. */
class NoLabels extends Schema.TaggedError<NoLabels>()("NoLabels", {}) {
  override get message() {
    return "the run of a language model has no labels to predict: use generate or chat"
  }
}

type Resolved = ResolvedLanguagePlan<LanguagePlan, OpenedData>

export const loadLanguage = ({ plan, model, selected }: Loadable<Resolved>) =>
  loadCausal(model.origin, model, { weights: plan.model.weights, whole: selected.parameters })

/** Tokens of a row at most. */
export const longest = ({ data }: LanguagePlan, { maxLength }: Pick<CausalModel, "maxLength">): number =>
  Math.min(data.maxLength, maxLength)

export const noLabels = () => Effect.fail(new NoLabels())

type Saved = Parameters<typeof saveAdapter>[0]

export const saveLanguage = (adapted: Saved, resolved: Resolved, folder: string) => {
  const { origin, source } = resolved.model
  // llama.cpp's converter asks for the base's config.json, which is not in a GGUF file's folder
  return saveAdapter(adapted, resolved, folder, source.endsWith(".gguf") ? origin.config : undefined)
}

export const restoreLanguage = (adapted: Saved, _: LanguagePlan, folder: string) => restoreAdapter(adapted, folder)

/** The `data` section of a trained plan, or the same for another file, which is called "train". */
export const sectionFor = <Data extends LanguagePlan["data"]>(data: Data, file: string | undefined): Data => {
  const { validation: _, test: __, ...columns } = data
  return file === undefined ? data : ({ ...columns, train: file } as Data)
}
