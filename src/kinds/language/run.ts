/** What runs of language models share, whatever their rows are: how they are loaded, saved and restored. */
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

/** A language model was asked for labels. */
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

/** Tokens of a row at most. */
export const longest = ({ data }: LanguagePlan, { maxLength }: Pick<CausalModel, "maxLength">): number =>
  Math.min(data.maxLength, maxLength)

const save = (adapted: Parameters<typeof saveAdapter>[0], resolved: Resolved, folder: string) =>
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

const PROMPT = "prompt"

// enough for a model to know what it is about
const BEGINNING = 60 // characters

/** What of a row is given to the model, which writes the rest; "": nothing. */
const promptOf = (content: CausalContent): string => {
  if (content.kind === "completion") return content.prompt
  if (content.kind === "chat") return content.messages.find(({ role }) => role === "user")?.content ?? ""
  const words = content.text.slice(0, BEGINNING)
  return words.length < content.text.length ? words.replace(/\s+\S*$/, "") : words
}

/** What the model may call in a row, as JSON text; absent where there is nothing. */
const toolsOf = (content: CausalContent): { readonly tools?: string } => {
  const { tools = [] } = content.kind === "chat" ? content : {}
  return tools.length === 0 ? {} : { tools: JSON.stringify(tools, null, 2) }
}

/** Rows as a user would ask them, with their tools. */
const promptsOf = (source: RowSource<CausalRow>, rows: ReadonlyArray<number>) =>
  Effect.map(source.read(rows), (read) =>
    read.flatMap(({ content }) => {
      const prompt = promptOf(content)
      return prompt.trim() === "" ? [] : [{ [PROMPT]: prompt, ...toolsOf(content) }]
    })
  )

/** What runners of language models share. `of`: the rows as prompts and their continuations. */
export const languageRunner = <Source>(of: (source: Source) => RowSource<CausalRow>) => ({
  asking: {
    fields: (): readonly [AskedField] => [{ name: PROMPT, type: "text" }],
    examples: (source: Source, _: unknown, rows: ReadonlyArray<number>) => promptsOf(of(source), rows)
  },
  predict: () => Effect.fail(new NoLabels()),
  ...adapterFolder,
  save
})
