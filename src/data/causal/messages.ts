/**
 * Parses the messages of a row, in the forms that datasets use:
 *
 *   openai    { "messages": [{ "role": "user", "content": "2+2?" }, { "role": "assistant", "content": "4" }] }
 *   sharegpt  { "conversations": [{ "from": "human", "value": "2+2?" }, { "from": "gpt", "value": "4" }] }
 *   alpaca    { "instruction": "Add the numbers.", "input": "2, 2", "output": "4" }     instruction and input: one message
 *   columns   as defined by a plan: [{ "role": "user", "content": "{question}" }, …]
 */
import { closest } from "../../../schemas/index.ts"
import { parseBoundedJson } from "../../files/index.ts"
import { columnText } from "../column-text.ts"
import { type Broken, type Fields, isBroken, isFields, kindOf, stringField } from "../columns.ts"
import type { Message } from "./row.ts"
import { callIn, callsIn } from "./tools.ts"

/** Parses a list of messages. Reports all invalid ones. */
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

const openaiRoles = ["system", "developer", "user", "assistant", "tool"] as const

/** Names of an assistant's reasoning in datasets and in chat templates. */
export const reasoningNames = ["reasoning_content", "thinking", "reasoning"] as const

/** Known fields of a message; any other reaches the template unchanged. */
const knownFields = new Set([
  "role",
  "content",
  "tool_calls",
  "function_call",
  "tool_call_id",
  "name",
  "weight",
  ...reasoningNames
])

/** Fields with content that is not text. */
const unread = ["images", "image", "audio", "videos", "video"] as const

/** Parses a message in OpenAI's or Hugging Face's form. */
export const openai = (value: unknown): Message | Broken => {
  if (!isFields(value)) return { broken: `found ${kindOf(value)}, expected an object with role and content` }
  const { role: roleName, weight, tool_call_id: call, name } = value
  if (typeof roleName !== "string") return { broken: `role is ${kindOf(roleName)}, expected ${openaiRoles.join(", ")}` }
  const role = roleName === "function" ? "tool" : roleName
  if (!openaiRoles.some((knownRole) => knownRole === role)) return unknownRole("role", roleName, openaiRoles)
  const media = unread.find(
    (field) => value[field] != null && !(Array.isArray(value[field]) && value[field].length === 0)
  )
  if (media !== undefined) return { broken: `has ${media}, but only texts are supported` }
  const calls = callsOf(value)
  if (isBroken(calls)) return calls
  const content = contentIn(value["content"], calls.length > 0)
  if (isBroken(content)) return content
  if (weight !== undefined && weight !== null && weight !== 0 && weight !== 1) {
    return { broken: `weight is ${JSON.stringify(weight)}, expected 0 or 1` }
  }
  const isAssistant = role === "assistant"
  if (!isAssistant && (calls.length > 0 || weight === 0)) {
    return {
      broken: `a message of the ${role} has ${calls.length > 0 ? "calls" : "a weight"}, which only messages of the assistant can have`
    }
  }
  const reasoning = reasoningNames.map((field) => value[field]).find((text) => typeof text === "string" && text !== "")
  const otherFields = Object.entries(value).filter(
    ([field, fieldValue]) => !knownFields.has(field) && fieldValue !== null && fieldValue !== undefined
  )
  return {
    role,
    content: content.text,
    ...(isAssistant && typeof reasoning === "string" ? { reasoning } : {}),
    ...(calls.length > 0 ? { calls } : {}),
    ...(weight === 0 ? { weight } : {}),
    ...(typeof call === "string" ? { call } : {}),
    ...(typeof name === "string" ? { name } : {}),
    ...(otherFields.length > 0 ? { other: Object.fromEntries(otherFields) } : {})
  }
}

const callsOf = ({ tool_calls: list, function_call: older }: Fields) => {
  if (older === undefined || older === null) return callsIn(list, "tool_calls")
  const call = callIn(older, "function_call")
  return isBroken(call) ? call : [call]
}

/** Parses content. `called`: the message has calls, and may have no text. */
const contentIn = (content: unknown, hasCalls: boolean): { readonly text: string | null } | Broken => {
  if (typeof content === "string") return { text: content }
  if ((content === null || content === undefined) && hasCalls) return { text: null }
  if (!Array.isArray(content)) return { broken: `content is ${kindOf(content)}, expected a string` }
  const texts: Array<string> = []
  for (const part of content) {
    if (!isFields(part) || part["type"] !== "text" || typeof part["text"] !== "string") {
      return { broken: "content has a part that is not a text; expected { type: text, text }" }
    }
    texts.push(part["text"])
  }
  return { text: texts.join("") }
}

/** ShareGPT's names of roles, with the variants in use. */
const sharegptRoles: { readonly [from: string]: "system" | "user" | "assistant" | "tool" | "calls" | undefined } = {
  system: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bing: "assistant",
  bard: "assistant",
  model: "assistant",
  assistant: "assistant",
  function_call: "calls",
  tool_call: "calls",
  tool: "tool",
  function: "tool",
  observation: "tool",
  tool_response: "tool"
}

/** Parses a message in ShareGPT's form; the calls of `function_call` are JSON text. */
export const sharegpt = (value: unknown): Message | Broken => {
  if (!isFields(value)) return { broken: `found ${kindOf(value)}, expected an object with from and value` }
  const { from, value: content, weight } = value
  if (typeof from !== "string") return { broken: `from is ${kindOf(from)}, expected human, gpt or system` }
  const role = Object.hasOwn(sharegptRoles, from) ? sharegptRoles[from] : undefined
  if (role === undefined) return unknownRole("from", from, Object.keys(sharegptRoles))
  if (typeof content !== "string") return { broken: `value is ${kindOf(content)}, expected a string` }
  const context: Pick<Message, "weight"> = weight === 0 ? { weight } : {}
  if (role !== "calls") return { role, content, ...(role === "assistant" ? context : {}) }
  const json = parseBoundedJson(content)
  if ("problem" in json) return { broken: `value of ${from} ${json.problem}` }
  const calls = callsIn(Array.isArray(json.value) ? json.value : [json.value], "value")
  return isBroken(calls) ? calls : { role: "assistant", content: null, calls, ...context }
}

const unknownRole = (key: string, role: string, knownRoles: ReadonlyArray<string>): Broken => {
  const near = closest(role, knownRoles)
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  return { broken: `unknown ${key} ${JSON.stringify(role.slice(0, 60))} (known: ${knownRoles.join(", ")}${hint})` }
}

/** Parses the messages of a row in Alpaca's form. */
export const alpaca = (row: Fields): ReadonlyArray<Message> | Broken => {
  const instruction = stringField(row, "instruction", { blank: false })
  const output = stringField(row, "output", { blank: false })
  const optional = (name: string) => (row[name] == null ? "" : stringField(row, name, { blank: true }))
  const input = optional("input")
  const system = optional("system")
  const reasons = [instruction, output, input, system].flatMap((field) => (isBroken(field) ? [field.broken] : []))
  if (reasons.length > 0) return { broken: reasons.join("; ") }
  const content = input === "" ? String(instruction) : `${instruction}\n\n${input}`
  const dialogue = [
    { role: "user", content },
    { role: "assistant", content: String(output) }
  ]
  return system === "" ? dialogue : [{ role: "system", content: String(system) }, ...dialogue]
}

/** Creates messages from a row's columns, as defined by a plan. */
export const ofColumns = (
  row: Fields,
  messages: ReadonlyArray<{ readonly role: string; readonly content: string }>
): ReadonlyArray<Message> | Broken =>
  messagesIn(messages, (value) => {
    const { role, content } = value as (typeof messages)[number]
    const text = columnText(row, content, { blank: role === "system" })
    return isBroken(text) ? text : { role, content: text }
  })
