/** How language models are asked: with what a user says, or with the beginning of a text. */
import * as Effect from "effect/Effect"
import type { CausalContent, CausalRow } from "../../data/causal/index.ts"
import type { RowSource } from "../../data/index.ts"
import type { AskedField } from "../contract/index.ts"

const PROMPT = "prompt"

export const askedPrompt = (): readonly [AskedField] => [{ name: PROMPT, type: "text" }]

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
export const promptsOf = (source: RowSource<CausalRow>, rows: ReadonlyArray<number>) =>
  Effect.map(source.read(rows), (read) =>
    read.flatMap(({ content }) => {
      const prompt = promptOf(content)
      return prompt.trim() === "" ? [] : [{ [PROMPT]: prompt, ...toolsOf(content) }]
    })
  )
