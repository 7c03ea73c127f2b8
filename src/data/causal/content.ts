/** Content of rows: parses columns as a conversation, a completion or a text, and reports each problem as a sentence. */
import { type CausalData, type ChatData, messagesColumn } from "../../../schemas/index.ts"
import { columnText } from "../column-text.ts"
import { type Broken, type Fields, isBroken, isFields, listField, notAnObject, stringField } from "../columns.ts"
import { alpaca, messagesIn, ofColumns, openai, sharegpt } from "./messages.ts"
import type { CausalContent, Conversation, Message } from "./row.ts"
import { callProblems, toolsIn } from "./tools.ts"

/** Parses the content of a row of any value. */
export const contentOf = (value: unknown, section: CausalData): CausalContent | Broken => {
  if (!isFields(value)) return { broken: notAnObject(value) }
  switch (section.format) {
    case "chat": {
      const conversation = conversationOf(value, section)
      return isBroken(conversation) ? conversation : { kind: "chat", ...conversation }
    }
    case "completion": {
      const prompt = columnText(value, section.prompt, { blank: true })
      const completion = columnText(value, section.completion, { blank: false })
      if (!isBroken(prompt) && !isBroken(completion)) return { kind: "completion", prompt, completion }
      return { broken: [prompt, completion].flatMap((side) => (isBroken(side) ? [side.broken] : [])).join("; ") }
    }
    case "text": {
      const text = stringField(value, section.text, { blank: false })
      return isBroken(text) ? text : { kind: "text", text }
    }
  }
}

/** Returns the texts of a content, as their author wrote them. */
export const textsOf = (content: CausalContent): ReadonlyArray<string> => {
  if (content.kind === "completion") return [content.prompt, content.completion]
  if (content.kind === "text") return [content.text]
  return content.messages.flatMap(({ content: text, reasoning = "", calls = [] }) => [
    text ?? "",
    ...(reasoning === "" ? [] : [reasoning]),
    ...(calls.length === 0 ? [] : [JSON.stringify(calls)])
  ])
}

type ChatOptions = Pick<ChatData, "mapping" | "messages" | "tools" | "system" | "reasoning" | "lossOn">

/**
 * Parses the conversation of a row. Rejects one without messages, with an unknown role or, if only the assistant's text is learned, without
 * any; and one whose calls and results do not match.
 */
const conversationOf = (row: Fields, options: ChatOptions): Conversation | Broken => {
  const messages = spokenIn(row, options)
  if (isBroken(messages)) return messages
  if (messages.length === 0) return { broken: "the conversation has no message" }
  const learned = messages.filter(({ role, weight }) => role === "assistant" && weight !== 0)
  if (options.lossOn !== "all" && learned.length === 0) {
    const silent = messages.every(({ role }) => role !== "assistant")
    const why = silent
      ? "the conversation has no message of the assistant"
      : "every message of the assistant has weight 0"
    return { broken: `${why}, so no token is trained on` }
  }
  return conversationWith(row, messages, options)
}

/** Adds the row's tools and the plan's system message to messages, and removes reasoning if the plan drops it. */
export const conversationWith = (
  row: Fields,
  messages: ReadonlyArray<Message>,
  { tools: column, system, reasoning }: Pick<ChatData, "tools" | "system" | "reasoning">
): Conversation | Broken => {
  const name = column ?? (row["tools"] == null && row["functions"] != null ? "functions" : "tools")
  const tools = toolsIn(row[name], name)
  if (isBroken(tools)) return tools
  const withReasoning = reasoning === "drop" ? messages.map(withoutReasoning) : messages
  const declared = tools.length === 0 ? {} : { tools }
  const problems = callProblems({ messages: withReasoning, ...declared }, row["parallel_tool_calls"])
  return problems ?? { messages: instructed(withReasoning, system), ...declared }
}

/** Columns that a conversation may have in addition to its messages. */
export const conversationColumns = ({ tools }: Pick<ChatData, "tools">): ReadonlyArray<string> =>
  tools === undefined ? ["tools", "functions", "parallel_tool_calls"] : ["parallel_tool_calls"]

const withoutReasoning = ({ reasoning: _, ...message }: Message): Message =>
  message.role === "assistant" && message.content !== null
    ? { ...message, content: message.content.replace(/^\s*<think>[\s\S]*?<\/think>\s*/, "") }
    : message

/** Prepends a system message, unless the messages already have one. */
export const instructed = (messages: ReadonlyArray<Message>, system: string | undefined): ReadonlyArray<Message> => {
  const hasSystem = messages[0]?.role === "system" || messages[0]?.role === "developer"
  return system === undefined || hasSystem ? messages : [{ role: "system", content: system }, ...messages]
}

const spokenIn = (row: Fields, options: ChatOptions): ReadonlyArray<Message> | Broken => {
  const { mapping, messages } = options
  if (typeof messages === "object") return ofColumns(row, messages)
  if (mapping === "alpaca") return alpaca(row)
  const list = listField(row, messagesColumn(options))
  return isBroken(list) ? list : messagesIn(list, mapping === "sharegpt" ? sharegpt : openai)
}
