/** What runs of language models share, whatever their rows are: how they are loaded, saved and restored. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { plannedTokenizer } from "../../data/causal/index.ts"
import { writeFileAtomic } from "../../files/index.ts"
import { type CausalModel, loadCausal, storedChatTemplate } from "../../models/causal/index.ts"
import { CHAT_TEMPLATE, ModelError } from "../../models/index.ts"
import { restoreAdapter, saveAdapter } from "../../output/adapter-folder.ts"
import type { OpenedData } from "../../plan/index.ts"
import type { Loadable } from "../contract/index.ts"
import type { LanguagePlan, ResolvedLanguagePlan } from "./resolve.ts"

/** A language model was asked for labels. */
class NoLabels extends Schema.TaggedError<NoLabels>()("NoLabels", {}) {
  override get message() {
    return "the run of a language model has no labels to predict: use generate or chat"
  }
}

type Resolved = ResolvedLanguagePlan<LanguagePlan, OpenedData>

export const loadLanguage = ({ plan, model, selected }: Loadable<Resolved>) =>
  Effect.gen(function* () {
    const { weights } = plan.model
    const loaded = yield* loadCausal(model.origin, model, { weights, whole: selected.parameters })
    const tokenizer = yield* plannedTokenizer(loaded.tokenizer, plan.data).pipe(
      Effect.mapError(({ message }) => new ModelError({ folder: model.source, problems: [message] }))
    )
    const planned: CausalModel = { ...loaded, tokenizer }
    return planned
  })

/** Tokens of a row at most. */
export const longest = ({ data }: LanguagePlan, { maxLength }: Pick<CausalModel, "maxLength">): number =>
  Math.min(data.maxLength, maxLength)

export const noLabels = () => Effect.fail(new NoLabels())

type Saved = Parameters<typeof saveAdapter>[0]

export const saveLanguage = (adapted: Saved, resolved: Resolved, folder: string) =>
  Effect.gen(function* () {
    const { origin, source } = resolved.model
    // llama.cpp's converter asks for the base's config.json, which is not in a GGUF file's folder
    yield* saveAdapter(adapted, resolved, folder, source.endsWith(".gguf") ? origin.config : undefined)
    const { chatTemplate } = resolved.tokenizer
    // transformers looks for it where the adapter's tokenizer would be
    if (chatTemplate === null || chatTemplate === storedChatTemplate(origin)) return
    const path = yield* Path.Path
    yield* writeFileAtomic(path.join(folder, CHAT_TEMPLATE), chatTemplate)
  })

export const restoreLanguage = (adapted: Saved, _: LanguagePlan, folder: string) => restoreAdapter(adapted, folder)

/** The `data` section of a trained plan, or the same for another file, which is called "train". */
export const sectionFor = <Data extends LanguagePlan["data"]>(data: Data, file: string | undefined): Data => {
  const { validation: _, test: __, ...columns } = data
  return file === undefined ? data : ({ ...columns, train: file } as Data)
}
