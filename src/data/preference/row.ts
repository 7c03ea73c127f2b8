/** Content of a row of preference data: a prompt with a chosen and a rejected answer, in the forms that datasets use. */
import { type PreferenceData, preferenceColumns } from "../../../schemas/index.ts"
import { conversationWith } from "../causal/content.ts"
import { messagesIn } from "../causal/messages.ts"
import type { CausalContent, Message } from "../causal/row.ts"
import { type Broken, type Fields, isBroken, isFields, listField, notAnObject, stringField } from "../columns.ts"
import type { Located } from "../source.ts"

/** A prompt with each of its answers. */
export interface Preferences {
  readonly chosen: CausalContent
  readonly rejected: CausalContent
}

export interface PreferenceRow extends Preferences, Located {}

type Section = Pick<PreferenceData, "mapping" | "prompt" | "chosen" | "rejected" | "system" | "tools" | "reasoning"> &
  Required<Pick<PreferenceData, "form">>

/**
 * Parses the two sides of a row of any value:
 *
 *   text      { "prompt": "2+2?", "chosen": "4", "rejected": "5" }
 *   messages  { "prompt": [{ "role": "user", … }], "chosen": [{ "role": "assistant", … }], "rejected": [{ … }] }
 *             { "chosen": [{ "role": "user", … }, { "role": "assistant", … }], "rejected": [the same user, { … }] }
 *   openai    { "input": { "messages": [{ "role": "user", … }] }, "preferred_output": [{ … }], "non_preferred_output": [{ … }] }
 *
 * In conversations, a prompt and an answer may be texts: of the user and of the assistant. If both
 * conversations begin with the same messages, those are the prompt, which a separate column may repeat.
 */
export const preferencesOf = (value: unknown, section: Section): Preferences | Broken => {
  if (!isFields(value)) return { broken: notAnObject(value) }
  const read = section.form === "text" ? texts(value, section) : conversations(value, section)
  if (isBroken(read)) return read
  const same = JSON.stringify(read.chosen) === JSON.stringify(read.rejected)
  const { chosen, rejected } = preferenceColumns(section)
  return same ? { broken: `"${chosen}" and "${rejected}" are equal, so neither is preferred` } : read
}

/** Detects the form of rows from the first one. */
export const formOf = (row: unknown, section: Pick<PreferenceData, "mapping" | "chosen" | "prompt" | "rejected">) => {
  const { chosen } = preferenceColumns(section)
  const value = isFields(row) ? row[chosen] : undefined
  const list = Array.isArray(value) || (typeof value === "string" && /^\s*\[\s*\{/.test(value))
  return list || section.mapping === "openai" ? "messages" : "text"
}

const reasonsOf = (...read: ReadonlyArray<unknown>): Broken | undefined => {
  const reasons = read.flatMap((side) => (isBroken(side) ? [side.broken] : []))
  return reasons.length === 0 ? undefined : { broken: reasons.join("; ") }
}

const texts = (row: Fields, section: Section): Preferences | Broken => {
  const columns = preferenceColumns(section)
  const prompt = stringField(row, columns.prompt, { blank: true })
  const chosen = stringField(row, columns.chosen, { blank: false })
  const rejected = stringField(row, columns.rejected, { blank: false })
  const broken = reasonsOf(prompt, chosen, rejected)
  if (broken !== undefined) return broken
  const side = (completion: string | Broken): CausalContent => ({
    kind: "completion",
    prompt: prompt as string,
    completion: completion as string
  })
  return { chosen: side(chosen), rejected: side(rejected) }
}

type Messages = ReadonlyArray<Message>

const conversations = (row: Fields, section: Section): Preferences | Broken => {
  const columns = preferenceColumns(section)
  const chosen = messagesOf(row, columns.chosen, "assistant")
  const rejected = messagesOf(row, columns.rejected, "assistant")
  const broken = reasonsOf(chosen, rejected)
  if (broken !== undefined) return broken
  const [better, worse] = [chosen as Messages, rejected as Messages]
  const shared = sharedBeginning(better, worse)
  const implicit = () => sidesOf(row, better.slice(0, shared), better.slice(shared), worse.slice(shared), section)
  if (!columns.promptNeeded && row[columns.prompt] == null) {
    if (shared > 0) return implicit()
    const expected = `expected a column "${columns.prompt}", or conversations that begin with the same messages`
    return {
      broken: `"${columns.chosen}" and "${columns.rejected}" do not begin with the same messages, so there is no prompt; ${expected}`
    }
  }
  const prompt = messagesOf(row, columns.prompt, "user")
  if (isBroken(prompt)) return prompt
  return shared > 0 && sameMessage(prompt[0]!, better[0]!) ? implicit() : sidesOf(row, prompt, better, worse, section)
}

/** Returns a list of messages, an object that contains one (`input.messages`), or a text with the role `role`. */
const messagesOf = (row: Fields, name: string, role: "user" | "assistant"): Messages | Broken => {
  const value = row[name]
  if (isFields(value)) {
    const inner = messagesOf(value, "messages", role)
    return isBroken(inner) ? { broken: `"${name}": ${inner.broken}` } : inner
  }
  if (typeof value === "string" && !/^\s*\[/.test(value)) {
    return value.trim() === "" ? { broken: `"${name}" is blank` } : [{ role, content: value }]
  }
  const list = listField(row, name)
  if (isBroken(list)) return list
  if (list.length === 0) return { broken: `"${name}" has no message` }
  const messages = messagesIn(list)
  return isBroken(messages) ? { broken: `"${name}": ${messages.broken}` } : messages
}

/** Counts the common leading messages of two conversations; leaves at least one of each as the answer. */
const sharedBeginning = (one: Messages, other: Messages): number => {
  const most = Math.min(one.length, other.length) - 1
  let shared = 0
  while (shared < most && sameMessage(one[shared]!, other[shared]!)) shared++
  return shared
}

/** Compares messages, regardless of the order of their fields. */
const sameMessage = (one: Message, other: Message): boolean => fieldsOf(one) === fieldsOf(other)

const fieldsOf = (message: Message): string =>
  JSON.stringify(Object.entries(message).sort(([a], [b]) => (a < b ? -1 : 1)))

const sidesOf = (
  row: Fields,
  prompt: Messages,
  better: Messages,
  worse: Messages,
  section: Section
): Preferences | Broken => {
  const { prompt: promptColumn, chosen, rejected } = preferenceColumns(section)
  // OpenAI's rows have the tools next to the prompt's messages
  const fields = section.mapping === "openai" && isFields(row[promptColumn]) ? { ...row[promptColumn], ...row } : row
  const side = (answer: Messages, name: string): CausalContent | Broken => {
    if (!answer.some(({ role, content, calls }) => role === "assistant" && (content?.trim() || calls !== undefined))) {
      const roles = answer.map((message) => message.role).join(", ")
      return { broken: `"${name}": expected a message of the assistant after the prompt (found: ${roles})` }
    }
    const conversation = conversationWith(fields, [...prompt, ...answer], section)
    if (isBroken(conversation)) return { broken: `"${name}": ${conversation.broken}` }
    return { kind: "chat", ...conversation, given: conversation.messages.length - answer.length }
  }
  const sides = { chosen: side(better, chosen), rejected: side(worse, rejected) }
  return reasonsOf(sides.chosen, sides.rejected) ?? (sides as Preferences)
}
