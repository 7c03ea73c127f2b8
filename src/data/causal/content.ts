/** What a row says: its columns read as a conversation, a completion or a text, and each problem as a sentence. */
import { type CausalData, type ChatData, closest, messagesColumn } from "../../../schemas/index.ts"
import {
  type Broken,
  type Fields,
  isBroken,
  isFields,
  kindOf,
  listField,
  notAnObject,
  stringField
} from "../columns.ts"
import type { CausalContent, Message } from "./row.ts"

/** The content of a row, whatever its value is. */
export const contentOf = (value: unknown, section: CausalData): CausalContent | Broken => {
  if (!isFields(value)) return { broken: notAnObject(value) }
  switch (section.format) {
    case "chat": {
      const conversation = conversationOf(value, section)
      return isBroken(conversation) ? conversation : { kind: "chat", ...conversation }
    }
    case "completion": {
      const prompt = stringField(value, section.prompt, { blank: true })
      const completion = stringField(value, section.completion, { blank: false })
      if (!isBroken(prompt) && !isBroken(completion)) return { kind: "completion", prompt, completion }
      return { broken: [prompt, completion].flatMap((one) => (isBroken(one) ? [one.broken] : [])).join("; ") }
    }
    case "text": {
      const text = stringField(value, section.text, { blank: false })
      return isBroken(text) ? text : { kind: "text", text }
    }
  }
}

/** The texts of a content, as their author wrote them. */
export const textsOf = (content: CausalContent): ReadonlyArray<string> => {
  if (content.kind === "chat") return content.messages.map((message) => message.content ?? "")
  return content.kind === "completion" ? [content.prompt, content.completion] : [content.text]
}

type Conversation = { readonly messages: ReadonlyArray<Message> }

type ChatOptions = Pick<ChatData, "mapping" | "messages" | "system" | "lossOn">

/**
 * The conversation of a row, in one of the three forms in which data sets write them:
 *
 *   openai    { "messages": [{ "role": "user", "content": "2+2?" }, { "role": "assistant", "content": "4" }] }
 *   sharegpt  { "conversations": [{ "from": "human", "value": "2+2?" }, { "from": "gpt", "value": "4" }] }
 *   alpaca    { "instruction": "Add the numbers.", "input": "2, 2", "output": "4" }     instruction and input: one message
 *
 * A conversation without a message, with a role that is unknown or, where only the assistant's words are learned, without
 * any of them, is a broken row.
 */
const conversationOf = (row: Fields, options: ChatOptions): Conversation | Broken => {
  const found = options.mapping === "alpaca" ? alpaca(row) : listed(row, options)
  if (isBroken(found)) return found
  if (found.length === 0) return { broken: "the conversation has no message" }
  if (options.lossOn === "assistant" && !found.some(({ role }) => role === "assistant")) {
    return { broken: "the assistant says nothing in the conversation, so there is nothing to learn" }
  }
  return { messages: instructed(found, options.system) }
}

/** Messages with a system message before them, unless they have one. */
export const instructed = (messages: ReadonlyArray<Message>, system: string | undefined): ReadonlyArray<Message> => {
  const own = messages[0]?.role === "system" || messages[0]?.role === "developer"
  return system === undefined || own ? messages : [{ role: "system", content: system }, ...messages]
}

const openaiRoles = ["system", "developer", "user", "assistant", "tool"] as const

/** ShareGPT's words for the roles, as its descendants spell them. */
const sharegptRoles: { readonly [from: string]: string | undefined } = {
  system: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bing: "assistant",
  bard: "assistant",
  model: "assistant",
  assistant: "assistant",
  tool: "tool",
  function: "tool",
  observation: "tool"
}

const listed = (row: Fields, options: ChatOptions): ReadonlyArray<Message> | Broken => {
  const list = listField(row, messagesColumn(options))
  return isBroken(list) ? list : messagesIn(list, options.mapping === "sharegpt" ? sharegpt : openai)
}

/** A list's values as messages, all that are none at once. */
export const messagesIn = (
  list: ReadonlyArray<unknown>,
  read: (value: unknown) => Message | Broken = openai
): ReadonlyArray<Message> | Broken => {
  const messages: Array<Message> = []
  const reasons: Array<string> = []
  list.forEach((value, i) => {
    const message = read(value)
    if (isBroken(message)) reasons.push(`message ${i + 1}: ${message.broken}`)
    else messages.push(message)
  })
  return reasons.length > 0 ? { broken: reasons.join("; ") } : messages
}

const openai = (value: unknown): Message | Broken => {
  if (!isFields(value)) return { broken: `found ${kindOf(value)}, expected an object with role and content` }
  const { role, content } = value
  if (typeof role !== "string") return { broken: `role is ${kindOf(role)}, expected ${openaiRoles.join(", ")}` }
  if (!openaiRoles.some((known) => known === role)) return unknownRole("role", role, openaiRoles)
  if (typeof content === "string") return { ...value, role, content }
  if (Array.isArray(content)) return partsOf(value, role, content)
  // a message that calls a tool may have no text
  if ((content === null || content === undefined) && value["tool_calls"] !== undefined) {
    return { ...value, role, content: null }
  }
  return { broken: `content is ${kindOf(content)}, expected a string` }
}

/** Content as a list of parts, of which only texts can be learned here. */
const partsOf = (message: Fields, role: string, parts: ReadonlyArray<unknown>): Message | Broken => {
  const texts: Array<string> = []
  for (const part of parts) {
    if (!isFields(part) || part["type"] !== "text" || typeof part["text"] !== "string") {
      return { broken: "content has a part that is not a text; expected { type: text, text }" }
    }
    texts.push(part["text"])
  }
  return { ...message, role, content: texts.join("") }
}

const sharegpt = (value: unknown): Message | Broken => {
  if (!isFields(value)) return { broken: `found ${kindOf(value)}, expected an object with from and value` }
  const { from, value: content } = value
  if (typeof from !== "string") return { broken: `from is ${kindOf(from)}, expected human, gpt or system` }
  const role = Object.hasOwn(sharegptRoles, from) ? sharegptRoles[from] : undefined
  if (role === undefined) return unknownRole("from", from, Object.keys(sharegptRoles))
  if (typeof content !== "string") return { broken: `value is ${kindOf(content)}, expected a string` }
  return { role, content }
}

const unknownRole = (key: string, found: string, known: ReadonlyArray<string>): Broken => {
  const near = closest(found, known)
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  return { broken: `unknown ${key} ${JSON.stringify(found.slice(0, 60))} (known: ${known.join(", ")}${hint})` }
}

const alpaca = (row: Fields): ReadonlyArray<Message> | Broken => {
  const instruction = stringField(row, "instruction", { blank: false })
  const output = stringField(row, "output", { blank: false })
  const optional = (name: string) => (row[name] == null ? "" : stringField(row, name, { blank: true }))
  const input = optional("input")
  const system = optional("system")
  const reasons = [instruction, output, input, system].flatMap((one) => (isBroken(one) ? [one.broken] : []))
  if (reasons.length > 0) return { broken: reasons.join("; ") }
  const content = input === "" ? String(instruction) : `${instruction}\n\n${input}`
  const spoken = [
    { role: "user", content },
    { role: "assistant", content: String(output) }
  ]
  return system === "" ? spoken : [{ role: "system", content: String(system) }, ...spoken]
}
