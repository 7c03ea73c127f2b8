/**
 * A checkpoint's chat template: Jinja (`@huggingface/jinja`) with what transformers gives it.
 *
 * transformers' tag {% generation %} … {% endgeneration %} marks what the assistant says. The library drops the tag; here it
 * becomes a block that writes a character which no text may hold (a Unicode noncharacter), so that the marks are found in
 * what the template wrote and white space around them is treated as around any block.
 */
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type Broken, isBroken } from "../columns.ts"
import { type BoundedTemplate, boundedTemplate, templateReason } from "./bounded-template.ts"
import type { Message } from "./row.ts"

/** What a template wrote; `spans`: the characters between generation tags, absent where the template has no such tag. */
export interface Rendering {
  /** what the model reads, special tokens written out */
  readonly text: string
  /** what the assistant says, in order; absent: the template does not mark it */
  readonly spans?: ReadonlyArray<Span>
}

/** Characters [start, end) of a text. */
export type Span = readonly [start: number, end: number]

/** A checkpoint's chat template, which writes conversations out as the model was trained on them. */
export interface ChatTemplate {
  /** Writes a conversation out; `prompt`: followed by the beginning of an assistant's turn. */
  readonly render: (
    messages: ReadonlyArray<Message>,
    options?: {
      /** with the beginning of an assistant's turn; default false */
      readonly prompt?: boolean
    }
  ) => Rendering | Broken
  /** whether the template says itself what the assistant says */
  readonly marked: boolean
}

const [begin, end] = ["\uFDD0", "\uFDD1"]

/** Compiles the template of a tokenizer; `Broken` where it is none. */
export const chatTemplate = (
  source: string,
  specialTokens: CausalTokenizer["specialTokens"]
): ChatTemplate | Broken => {
  const tag = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g
  const marked = tag.test(source)
  const blocks = source.replace(
    tag,
    (_, left: string, closing: string | undefined, right: string) =>
      `{%${left} if true %}{{ "${closing === undefined ? begin : end}" }}{% endif ${right}%}`
  )
  let template: BoundedTemplate
  try {
    template = boundedTemplate(blocks)
  } catch (cause) {
    return brokenTemplate("is not valid Jinja", cause)
  }
  return {
    marked,
    render: (messages, { prompt = false } = {}) => {
      if (messages.some(({ content }) => content?.includes(begin) || content?.includes(end))) {
        return { broken: "a message holds U+FDD0 or U+FDD1, which are not characters; remove them" }
      }
      try {
        const given = { ...specialTokens, messages, add_generation_prompt: prompt, tools: null, documents: null }
        const characters = messages.reduce((sum, { content }) => sum + (content?.length ?? 0), 0)
        const written = template.render(given, messages.length + characters / 1_000)
        return marked ? unmarked(written) : { text: written }
      } catch (cause) {
        return brokenTemplate("refuses the conversation", cause)
      }
    }
  }
}

const brokenTemplate = (what: string, cause: unknown): Broken => {
  const reason = templateReason(cause)
  return {
    broken: "over" in reason ? `the chat template ${reason.over}` : `the chat template ${what}: ${reason.refused}`
  }
}

/** Removes the marks and says what was between them. */
const unmarked = (written: string): Rendering | Broken => {
  const spans: Array<Span> = []
  let text = ""
  let start: number | undefined
  for (const part of written.split(/([\uFDD0\uFDD1])/)) {
    if (part === begin && start === undefined) start = text.length
    else if (part === end && start !== undefined) {
      if (text.length > start) spans.push([start, text.length])
      start = undefined
    } else if (part === begin || part === end) return { broken: "the chat template nests or crosses generation blocks" }
    else text += part
  }
  return start === undefined ? { text, spans } : { broken: "the chat template leaves a generation block open" }
}

/** A conversation written out, and where the assistant speaks in it. */
export interface Turns {
  /** the whole conversation, special tokens written out */
  readonly text: string
  /** what the assistant says, in order, each with the token that ends its turn */
  readonly spans: ReadonlyArray<Span>
}

/**
 * What the assistant says in a conversation, as characters of what the chat template wrote: its content and the token that ends its
 * turn, which is what a model writes after the generation prompt. `special` finds the special tokens of a text; it has the flag g.
 *
 * A template with generation tags says it itself. For any other, the turn of message i is
 *
 *   render(messages[…i]) minus render(messages[…i − 1], with generation prompt)      up to the special token that ends it
 *
 * which requires that the template writes a conversation as the beginning of every longer one (special tokens that close the whole of
 * it excepted). Where it does not (some remove the reasoning from earlier turns, or begin a turn differently from their prompt), the
 * turn is not known, and an error. A conversation that the assistant begins has no prompt before it; there the turn begins after the
 * first occurrence of the generation prompt.
 */
export const assistantTurns = (
  template: ChatTemplate,
  messages: ReadonlyArray<Message>,
  special: RegExp | undefined
): Turns | Broken => {
  const whole = template.render(messages)
  if (isBroken(whole)) return whole
  if (whole.spans !== undefined) return { text: whole.text, spans: whole.spans }
  const spans: Array<Span> = []
  for (const [i, message] of messages.entries()) {
    if (message.role !== "assistant") continue
    const turn = turnOf(template, messages.slice(0, i + 1), whole.text, special)
    if (isBroken(turn)) return { broken: `message ${i + 1}: ${turn.broken}` }
    spans.push(untilItsEnd(whole.text, turn, message, special))
  }
  return { text: whole.text, spans }
}

/** The characters of `whole` that the last of `messages` adds after the generation prompt. */
const turnOf = (
  template: ChatTemplate,
  messages: ReadonlyArray<Message>,
  whole: string,
  special: RegExp | undefined
): Span | Broken => {
  const upTo = template.render(messages)
  if (isBroken(upTo)) return upTo
  const start = messages.length === 1 ? startOfFirst(template, messages, upTo) : startAfter(template, messages, upTo)
  if (typeof start !== "number") return start
  const end = withoutClosings(upTo.text, start, sharedLength(whole, upTo.text), special)
  return end === undefined ? unstable("writes the messages up to here otherwise when others follow") : [start, end]
}

/** How many characters two texts begin with in common. */
const sharedLength = (one: string, other: string): number => {
  const most = Math.min(one.length, other.length)
  let shared = 0
  while (shared < most && one.charCodeAt(shared) === other.charCodeAt(shared)) shared++
  return shared
}

const startAfter = (template: ChatTemplate, messages: ReadonlyArray<Message>, upTo: Rendering): number | Broken => {
  const before = template.render(messages.slice(0, -1), { prompt: true })
  if (isBroken(before)) return before
  if (upTo.text.startsWith(before.text)) return before.text.length
  return unstable("begins the assistant's turn otherwise than its generation prompt does")
}

const startOfFirst = (template: ChatTemplate, messages: ReadonlyArray<Message>, upTo: Rendering): number | Broken => {
  const prompted = template.render(messages, { prompt: true })
  if (isBroken(prompted)) return prompted
  const prompt = prompted.text.startsWith(upTo.text) ? prompted.text.slice(upTo.text.length) : ""
  const at = prompt === "" ? -1 : upTo.text.indexOf(prompt)
  if (at >= 0) return at + prompt.length
  return unstable("begins a first turn of the assistant otherwise than its generation prompt does")
}

/** The end of a text without the special tokens that close it after `most` characters; undefined where it goes on otherwise. */
const withoutClosings = (
  text: string,
  start: number,
  most: number,
  special: RegExp | undefined
): number | undefined => {
  let end = text.length
  const found = end <= most || special === undefined ? [] : [...text.slice(start).matchAll(special)]
  while (end > most) {
    const last = found.pop()
    if (last === undefined || text.slice(start + last.index + last[0].length, end).trim() !== "") return undefined
    end = start + last.index
  }
  return end
}

const unstable = (how: string): Broken => ({
  broken: `which tokens are the assistant's is not known: the chat template ${how}; use one with {% generation %} tags, or lossOn "all"`
})

/**
 * A turn up to the first special token after its content; what follows (a line break, what closes the conversation) is no
 * part of it. Where it says more than its content (calls of tools), or other words than these, up to its last one.
 */
const untilItsEnd = (text: string, [start, end]: Span, message: Message, special: RegExp | undefined): Span => {
  if (special === undefined) return [start, end]
  const turn = text.slice(start, end)
  const plain = Object.keys(message).every((key) => key === "role" || key === "content")
  const content = message.content?.trim() ?? ""
  const at = plain ? turn.indexOf(content) : -1
  const found = [...turn.matchAll(special)]
  const last = at < 0 ? found.at(-1) : found.find(({ index }) => index >= at + content.length)
  if (last !== undefined) return [start, start + last.index + last[0].length]
  // the end of a last turn, taken off above since other turns end with another token
  const next = text.slice(end).matchAll(special).next().value
  return next?.index === 0 ? [start, end + next[0].length] : [start, end]
}
