/** Shared by runs of language models, with any rows: loading, saving and restoring. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type CausalContent, type CausalRow, plannedTokenizer } from "../../data/causal/index.ts"
import type { RowSource } from "../../data/index.ts"
import { writeFileAtomic } from "../../files/index.ts"
import { type CausalModel, loadCausal, storedChatTemplate } from "../../models/causal/index.ts"
import { CHAT_TEMPLATE, ModelError } from "../../models/index.ts"
import { saveAdapter } from "../../output/adapter-folder.ts"
import type { OpenedData } from "../../plan/index.ts"
import { adapterFolder } from "../contract/adapter-folder.ts"
import type { AskedField, Loadable } from "../contract/index.ts"
import type { LanguagePlan, ResolvedLanguagePlan } from "./kind.ts"

/** Labels were requested from a language model. */
class NoLabels extends Schema.TaggedError<NoLabels>()("NoLabels", {}) {
  override get message() {
    return "runs of language models have no labels to predict: use generate or chat"
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

/** Returns the maximum number of tokens per row. */
export const longest = ({ data }: LanguagePlan, { maxLength }: Pick<CausalModel, "maxLength">): number =>
  Math.min(data.maxLength, maxLength)

const save = (adapted: Parameters<typeof saveAdapter>[0], resolved: Resolved, folder: string) =>
  Effect.gen(function* () {
    const { origin, source } = resolved.model
    // llama.cpp's converter needs the base's config.json, which a GGUF file's folder lacks
    yield* saveAdapter(adapted, resolved, folder, source.endsWith(".gguf") ? origin.config : undefined)
    const { chatTemplate } = resolved.tokenizer
    // transformers looks for it where the adapter's tokenizer would be
    if (chatTemplate === null || chatTemplate === storedChatTemplate(origin)) return
    const path = yield* Path.Path
    yield* writeFileAtomic(path.join(folder, CHAT_TEMPLATE), chatTemplate)
  })

const PROMPT = "prompt"

// enough for the model to know the topic
const BEGINNING = 60 // characters

/** Returns the prompt of a row; "" for texts without one. */
const promptOf = (content: CausalContent): string => {
  if (content.kind === "completion") return content.prompt
  if (content.kind === "chat") return content.messages.find(({ role }) => role === "user")?.content ?? ""
  const words = content.text.slice(0, BEGINNING)
  return words.length < content.text.length ? words.replace(/\s+\S*$/, "") : words
}

/** Returns the tools of a row as JSON text; absent without tools. */
const toolsOf = (content: CausalContent): { readonly tools?: string } => {
  const { tools = [] } = content.kind === "chat" ? content : {}
  return tools.length === 0 ? {} : { tools: JSON.stringify(tools, null, 2) }
}

/** Returns rows as sample inputs, with their tools. */
const promptsOf = (source: RowSource<CausalRow>, rows: ReadonlyArray<number>) =>
  Effect.map(source.read(rows), (read) =>
    read.flatMap(({ content }) => {
      const prompt = promptOf(content)
      return prompt.trim() === "" ? [] : [{ [PROMPT]: prompt, ...toolsOf(content) }]
    })
  )

/** Members shared by runners of language models. `of`: converts a split to prompts and completions. */
export const languageRunner = <Source>(of: (source: Source) => RowSource<CausalRow>) => ({
  asking: {
    fields: (): readonly [AskedField] => [{ name: PROMPT, type: "text" }],
    examples: (source: Source, _: unknown, rows: ReadonlyArray<number>) => promptsOf(of(source), rows)
  },
  predict: () => Effect.fail(new NoLabels()),
  ...adapterFolder,
  save
})
