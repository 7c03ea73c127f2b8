/**
 * Finds what is learned of a conversation: the assistant turns, as character spans of the template's output.
 *
 * A template with generation tags marks them itself. For any other, the turn of message i is the text that a model would generate:
 *
 *   prompt   render(messages[…i), with generation prompt)
 *   turn     render(messages[…i]) after the prompt, up to the special token that ends it
 *
 * All turns are learned together, in one rendering of the whole conversation, if it begins with every prompt and its turn. A template
 * that changes a turn, or the text before it, once the conversation continues (Qwen 3 removes the reasoning from earlier turns,
 * gpt-oss that of earlier calls) has no such rendering: then each turn is a separate example, after its prompt.
 */
import type { ChatData } from "../../../schemas/index.ts"
import { type Broken, isBroken } from "../columns.ts"
import type { ChatTemplate, Rendering, Span } from "./chat-template.ts"
import type { CausalContent, Conversation, Message } from "./row.ts"

/** A text as the model sees it, with its learned spans. */
export interface Written {
  /** text including the template's special tokens */
  readonly text: string
  /** learned spans, in order, without overlap */
  readonly spans: ReadonlyArray<Span>
}

/** A conversation as one or more examples. */
export interface WrittenTurns {
  /** examples, at least one */
  readonly examples: ReadonlyArray<Written>
  /** reason why its turns are separate examples, as the end of a sentence; absent: they are not, or the plan requests it */
  readonly apart?: string
}

/** Fields of a plan's section that apply to turns. */
export interface TurnOptions {
  /** learns every assistant turn, the last of them, or every token */
  readonly lossOn: ChatData["lossOn"]
  /** undefined: together if the template allows it, else apart */
  readonly turns?: ChatData["turns"] | undefined
}

type Chat = Extract<CausalContent, { readonly kind: "chat" }>

/** Formats a conversation and finds its learned spans. `special` matches the special tokens of a text; it has the flag g. */
export const writtenTurns = (
  template: ChatTemplate,
  chat: Chat,
  { lossOn, turns }: TurnOptions,
  special: RegExp | undefined
): WrittenTurns | Broken => {
  const { messages } = chat
  const all = learnedMessages(chat)
  const learned = lossOn === "last" ? all.slice(-1) : all
  // nothing is lost if the end is context: it comes after all learned text
  const length = lossOn === "last" || turns === "apart" ? (learned.at(-1) ?? 0) + 1 : messages.length
  const fullRendering = template.render(upTo(chat, length))
  if (isBroken(fullRendering)) return fullRendering
  if (lossOn === "all") return everything(template, chat, fullRendering, special)
  if (template.marked) return markedTurns(template, chat, fullRendering, { learned, apart: turns === "apart" })
  const learnedTurns: Array<Turn> = []
  for (const i of learned) {
    const turn = turnOf(template, chat, i, special, i + 1 === length ? fullRendering : undefined)
    if (isBroken(turn)) return { broken: `message ${i + 1}: ${turn.broken}` }
    learnedTurns.push(turn)
  }
  const together: WrittenTurns = {
    examples: [{ text: fullRendering.text, spans: learnedTurns.map(({ span }) => span) }]
  }
  if (turns !== "apart" && learnedTurns.every((turn) => beginsWith(fullRendering.text, turn))) return together
  const examples = learnedTurns.map(({ text, span }) => ({ text, spans: [span] }))
  if (turns === "apart") return { examples }
  const first = learned[learnedTurns.findIndex((turn) => !beginsWith(fullRendering.text, turn))]!
  const reason = `the chat template changes message ${first + 1} or what precedes it once others follow`
  return turns === "together"
    ? {
        broken: `the turns cannot be learned together: ${reason}; remove data.turns, or set data.chatTemplate to another template`
      }
    : { examples, apart: reason }
}

const upTo = ({ messages, tools }: Conversation, count: number): Conversation => ({
  messages: messages.slice(0, count),
  ...(tools === undefined ? {} : { tools })
})

/** Returns the indices of the learned messages. */
export const learnedMessages = ({ messages, given = 0 }: Chat): ReadonlyArray<number> =>
  messages.flatMap(({ role, weight }, i) => (role === "assistant" && weight !== 0 && i >= given ? [i] : []))

/** Learns every token except those of messages with weight 0. */
const everything = (
  template: ChatTemplate,
  chat: Chat,
  fullRendering: Rendering,
  special: RegExp | undefined
): WrittenTurns | Broken => {
  const context = chat.messages.flatMap(({ role, weight }, i) => (role === "assistant" && weight === 0 ? [i] : []))
  const spans: Array<Span> = []
  let from = 0
  for (const i of context) {
    const turn = template.marked ? markedSpans(template, chat, fullRendering, i) : turnOf(template, chat, i, special)
    if (isBroken(turn)) return { broken: `message ${i + 1}: ${turn.broken}` }
    for (const [start, end] of "span" in turn ? [turn.span] : turn) {
      spans.push([from, start])
      from = end
    }
  }
  return { examples: [{ text: fullRendering.text, spans: [...spans, [from, fullRendering.text.length] as const] }] }
}

/** Returns the spans of message i in a rendering with generation tags. */
const markedSpans = (
  template: ChatTemplate,
  chat: Chat,
  fullRendering: Rendering,
  i: number
): ReadonlyArray<Span> | Broken => {
  const countOf = (count: number) => {
    if (count === 0) return 0
    const rendering = template.render(upTo(chat, count))
    return isBroken(rendering) ? rendering : rendering.spans!.length
  }
  const [before, until] = [countOf(i), countOf(i + 1)]
  if (typeof before !== "number") return before
  return typeof until === "number" ? fullRendering.spans!.slice(before, until) : until
}

const markedTurns = (
  template: ChatTemplate,
  chat: Chat,
  fullRendering: Rendering,
  { learned, apart }: { readonly learned: ReadonlyArray<number>; readonly apart: boolean }
): WrittenTurns | Broken => {
  const assistantTurns = chat.messages.filter(({ role }) => role === "assistant").length
  if (!apart && learned.length === assistantTurns)
    return { examples: [{ text: fullRendering.text, spans: fullRendering.spans! }] }
  const examples: Array<Written> = []
  for (const i of learned) {
    const rendering = apart ? template.render(upTo(chat, i + 1)) : fullRendering
    const spans = isBroken(rendering) ? rendering : markedSpans(template, chat, rendering, i)
    if (isBroken(rendering) || isBroken(spans))
      return { broken: `message ${i + 1}: ${(isBroken(rendering) ? rendering : (spans as Broken)).broken}` }
    examples.push({ text: rendering.text, spans })
  }
  if (apart) return { examples }
  return { examples: [{ text: fullRendering.text, spans: examples.flatMap(({ spans }) => spans) }] }
}

/** A turn in the conversation that ends with it. */
interface Turn {
  readonly text: string
  readonly span: Span
}

const beginsWith = (rendered: string, { text, span: [, end] }: Turn): boolean => rendered.startsWith(text.slice(0, end))

/** Finds the turn of message i. `rendered`: the conversation up to it, if it is known. */
const turnOf = (
  template: ChatTemplate,
  chat: Chat,
  i: number,
  special: RegExp | undefined,
  rendered?: Rendering
): Turn | Broken => {
  const rendering = rendered ?? template.render(upTo(chat, i + 1))
  if (isBroken(rendering)) return rendering
  const opening = i === 0 ? beginningOfFirst(template, chat, rendering) : beginning(template, chat, i, rendering)
  if (isBroken(opening)) return opening
  const { text, start } = opening
  return { text, span: [start, endOf(template, text, start, special)] }
}

/** A conversation up to and including a turn, and the start of the turn. */
interface Begun {
  readonly text: string
  readonly start: number
}

const beginning = (template: ChatTemplate, chat: Chat, i: number, rendering: Rendering): Begun | Broken => {
  const prompt = template.render(upTo(chat, i), { prompt: true })
  if (isBroken(prompt)) return prompt
  const start = prompt.text.length
  if (rendering.text.startsWith(prompt.text)) return { text: rendering.text, start }
  // the text before the turn differs once the turn exists: generation uses the prompt
  const turn = afterPrompt(template, chat, i, rendering, prompt)
  return turn === undefined ? otherBeginning : { text: prompt.text + turn, start }
}

const marks = ["\uFDD2", "\uFDD3"] as const

/** Finds the end of the generation prompt in message i, between the previous message and the first part of message i. */
const afterPrompt = (
  template: ChatTemplate,
  chat: Chat,
  i: number,
  rendering: Rendering,
  prompt: Rendering
): string | undefined => {
  const { messages } = chat
  const before = template.render(upTo(chat, i))
  if (isBroken(before) || !prompt.text.startsWith(before.text)) return undefined
  const cue = prompt.text.slice(before.text.length)
  const [previous, answer] = [lastMarked(messages[i - 1]!), firstMarked(messages[i]!)]
  if (cue === "" || previous === undefined || answer === undefined) return undefined
  const marked = template.render(upTo({ ...chat, messages: messages.with(i - 1, previous).with(i, answer) }, i + 1))
  if (isBroken(marked) || marked.text.replaceAll(/[\uFDD2\uFDD3]/g, "") !== rendering.text) return undefined
  const [from, to] = marks.map((mark) => marked.text.indexOf(mark)) as [number, number]
  if (from < 0 || to < from) return undefined
  const at = rendering.text.lastIndexOf(cue, to - 1 - cue.length)
  return at < from ? undefined : rendering.text.slice(at + cue.length)
}

/** Marks the end of a message's text. Returns undefined if it has none. */
const lastMarked = (message: Message): Message | undefined => {
  const { content } = message
  if (content === null || content.trim() === "") return undefined
  return { ...message, content: content.replace(/\s*$/, (space) => marks[0] + space) }
}

/** Marks the beginning of a message's first part. Returns undefined if it has none. */
const firstMarked = (message: Message): Message | undefined => {
  const { content, reasoning, calls = [] } = message
  const marked = (text: string) => text.replace(/^\s*/, (space) => space + marks[1])
  if (reasoning !== undefined) return { ...message, reasoning: marked(reasoning) }
  if (content !== null && content.trim() !== "") return { ...message, content: marked(content) }
  const [first, ...rest] = calls
  return first === undefined ? undefined : { ...message, calls: [{ ...first, name: marks[1] + first.name }, ...rest] }
}

/** For a conversation that begins with the assistant, and has no prompt: its first turn begins after the first generation prompt. */
const beginningOfFirst = (template: ChatTemplate, chat: Chat, { text }: Rendering): Begun | Broken => {
  const prompted = template.render(upTo(chat, 1), { prompt: true })
  if (isBroken(prompted)) return prompted
  const prompt = prompted.text.startsWith(text) ? prompted.text.slice(text.length) : ""
  const at = prompt === "" ? -1 : text.indexOf(prompt)
  return at < 0 ? otherBeginning : { text, start: at + prompt.length }
}

const otherBeginning: Broken = {
  broken:
    'cannot tell which tokens are the assistant\'s: the chat template begins the turn differently from its generation prompt; set data.templateValues so that the two agree (such as { "enable_thinking": false }), set data.chatTemplate to a template with {% generation %} tags, or use lossOn "all"'
}

/** Returns the end of a turn, its last special token; text that closes a conversation after it is not part of the turn. */
const endOf = (template: ChatTemplate, text: string, start: number, special: RegExp | undefined): number => {
  const closing = special === undefined ? "" : closingOf(template, special)
  const end = text.endsWith(closing) ? Math.max(start, text.length - closing.length) : text.length
  const last = special === undefined ? undefined : [...text.slice(start, end).matchAll(special)].at(-1)
  return last === undefined ? end : start + last.index + last[0].length
}

const probeAnswer = "An answer."

/** A conversation of one exchange, to test templates. */
export const probe: ReadonlyArray<Message> = [
  { role: "user", content: "A question?" },
  { role: "assistant", content: probeAnswer }
]

/** Returns the special token that ends the answer of the probe, the text before it after the answer, and the text that closes the conversation. */
export const afterAnswer = (text: string, special: RegExp | undefined) => {
  const at = text.lastIndexOf(probeAnswer)
  const after = at + probeAnswer.length
  const match = at < 0 || special === undefined ? undefined : text.slice(after).matchAll(special).next().value
  return {
    answer: at,
    rest: text.slice(after),
    end: match === undefined ? undefined : { token: match[0], to: after + match.index + match[0].length }
  }
}

const closings = new WeakMap<ChatTemplate, string>()

const closingOf = (template: ChatTemplate, special: RegExp): string => {
  const cached = closings.get(template)
  if (cached !== undefined) return cached
  const rendering = template.render({ messages: probe })
  const end = isBroken(rendering) ? undefined : afterAnswer(rendering.text, special).end
  const closing = end === undefined || isBroken(rendering) ? "" : rendering.text.slice(end.to)
  closings.set(template, closing)
  return closing
}
