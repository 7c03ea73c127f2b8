/**
 * Checks for silent problems of chat templates and conversations, before any weight is loaded:
 *
 *   checkTemplate   a template that does not end the assistant turn (the model never learns to stop) or whose end is not learned,
 *                   or that writes the beginning-of-text token twice
 *   shapesOf        conversations that the template rejects, or of which it omits tools, calls or reasoning
 *   specialTexts    special tokens inside texts of the data
 */
import type { ChatData } from "../../../schemas/index.ts"
import { listed, wholeNumber } from "../../boundary/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type Broken, isBroken } from "../columns.ts"
import { type ChatTemplate, templateOf } from "./chat-template.ts"
import { textsOf } from "./content.ts"
import { specialPattern } from "./encoder.ts"
import type { CausalContent, Conversation, Message } from "./row.ts"
import {
  afterAnswer,
  learnedMessages,
  probe,
  type TurnOptions,
  type Written,
  type WrittenTurns,
  writtenTurns
} from "./turns.ts"

/** A valid template with warnings, or its problems, one sentence each. */
export type CheckedTemplate =
  | { readonly template: ChatTemplate; readonly warnings: ReadonlyArray<string> }
  | { readonly problems: ReadonlyArray<string> }

/** Compiles the tokenizer's template and formats a conversation of two messages. */
export const checkTemplate = (tokenizer: CausalTokenizer, { lossOn, turns }: TurnOptions): CheckedTemplate => {
  const { bosId } = tokenizer
  const template = templateOf(tokenizer)
  if (template === undefined) {
    const reason =
      "the checkpoint has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja)"
    return {
      problems: [`${reason}; set data.chatTemplate, use a chat model, or set data.format to "completion"`]
    }
  }
  if (isBroken(template)) return { problems: [template.broken] }
  const special = specialPattern(tokenizer)
  const probeTurns = writtenTurns(template, { kind: "chat", messages: probe }, { lossOn, turns }, special)
  if (isBroken(probeTurns)) return { problems: [`of a question and its answer, ${probeTurns.broken}`] }
  const example = probeTurns.examples[0]!
  const { problems, end } = endOfTurn(template, example, special, lossOn)
  const ids = tokenizer.encode(example.text)
  const doubled = bosId !== null && ids[0] === bosId && ids[1] === bosId
  const twice = doubled ? ["the chat template and the tokenizer both add the beginning-of-text token"] : []
  if (problems.length + twice.length > 0) return { problems: [...problems, ...twice] }
  return { template, warnings: warningsOf(tokenizer, ids, end) }
}

/** Returns the special token after the answer, and whether it is learned. */
const endOfTurn = (
  template: ChatTemplate,
  { text, spans }: Written,
  special: RegExp | undefined,
  lossOn: ChatData["lossOn"]
): { readonly problems: ReadonlyArray<string>; readonly end: string } => {
  const { answer, rest, end } = afterAnswer(text, special)
  if (answer < 0) return { problems: ["the chat template omits the assistant's messages"], end: "" }
  if (end === undefined) {
    const never = "so the model would never learn to stop"
    const observation = `found ${JSON.stringify(rest)} after it`
    return {
      problems: [`the chat template ends the assistant's turn with no special token (${observation}), ${never}`],
      end: ""
    }
  }
  const { token, to } = end
  const learned = spans.some(([from, until]) => from <= answer && to <= until)
  if (learned || lossOn === "all") return { problems: [], end: token }
  const where = template.marked ? "is outside of {% generation %}" : "is not part of the turn"
  return {
    problems: [`${token}, which ends the assistant's turn, ${where}, so the model would never learn to stop`],
    end: token
  }
}

const warningsOf = (
  { bosId, eosId, encode, decode }: Pick<CausalTokenizer, "bosId" | "eosId" | "encode" | "decode">,
  ids: ReadonlyArray<number>,
  end: string
): ReadonlyArray<string> => {
  const warnings: Array<string> = []
  const eos = eosId === null ? undefined : decode([eosId], { special: true })
  if (eos !== undefined && eos.trim() !== end) {
    warnings.push(
      `the chat template ends the assistant's turn with ${end}, while the tokenizer's end-of-text token is ${eos}: generation must also stop at the former`
    )
  }
  if (bosId !== null && encode("", { special: true })[0] === bosId && ids[0] !== bosId) {
    warnings.push(
      `the tokenizer adds ${decode([bosId], { special: true })} at the beginning of texts, but the chat template does not; conversations follow the template`
    )
  }
  return warnings
}

type Chat = Extract<CausalContent, { readonly kind: "chat" }>

/** Results of the checks for all rows whose conversations have the same shape. */
export interface Shapes {
  /** Returns why a conversation cannot be formatted, or undefined. */
  readonly refusal: (content: Chat) => Broken | undefined
  /** reasons why turns become separate examples, with the number of rows of each */
  readonly apart: () => ReadonlyMap<string, number>
}

/**
 * Checks every shape of conversations instead of formatting every one (which takes 80 µs or more). A template depends on the order of roles,
 * the fields of messages, and words in its own source ("</think>"): one conversation of each shape is formatted, with
 * `write`.
 */
export const shapesOf = (
  tokenizer: CausalTokenizer,
  template: ChatTemplate | undefined,
  write: (content: Chat) => WrittenTurns | Broken
): Shapes => {
  const words = namedWords(tokenizer.chatTemplate ?? "")
  const resultsByShape = new Map<string, WrittenTurns | Broken>()
  const apart = new Map<string, number>()
  const tried = (content: Chat) => {
    const rendered = write(content)
    if (isBroken(rendered) || template === undefined) return rendered
    return lostPart(template, content, rendered) ?? rendered
  }
  return {
    refusal: (content) => {
      const shape = JSON.stringify([
        content.given ?? 0,
        (content.tools ?? []).length > 0,
        content.messages.map((message) => shapeOf(message, words))
      ])
      const result = resultsByShape.get(shape) ?? tried(content)
      resultsByShape.set(shape, result)
      if (isBroken(result)) return result
      if (result.apart !== undefined) apart.set(result.apart, (apart.get(result.apart) ?? 0) + 1)
      return undefined
    },
    apart: () => apart
  }
}

const shapeOf = ({ content, reasoning, calls = [], ...message }: Message, words: ReadonlyArray<string>) => [
  message.role,
  content === null
    ? "-"
    : content.trim() === ""
      ? "blank"
      : words.flatMap((word, i) => (content.includes(word) ? [i] : [])),
  reasoning !== undefined,
  calls.length,
  Object.keys({ ...message, ...message.other }).join(),
  message.weight ?? 1
]

/** A noncharacter, which no text contains, to mark what must not be lost. */
const mark = (i: number): string => `\uFDD2${i}\uFDD2`

/**
 * Returns what the template omits of a conversation, with a remedy; undefined: nothing that the model should see or learn. Parts
 * are marked, and the marks searched for in the output. Reasoning of earlier turns may be missing from later prompts, if
 * it is in the turn that is learned.
 */
const lostPart = (template: ChatTemplate, chat: Chat, { examples }: WrittenTurns): Broken | undefined => {
  const parts: Array<{ readonly subject: string; readonly fix: string; readonly message?: number }> = []
  const marked = (text: string, subject: string, fix: string, message?: number): string => {
    parts.push({ subject, fix, ...(message === undefined ? {} : { message }) })
    return text.replace(/\s*$/, (space) => mark(parts.length - 1) + space)
  }
  const otherTemplate = "set data.chatTemplate to a template that includes them"
  const learned = new Set(learnedMessages(chat))
  const tools = chat.tools?.map((tool) => ({
    ...tool,
    function: { ...tool.function, name: marked(tool.function.name, `the tool "${tool.function.name}"`, otherTemplate) }
  }))
  const messages = chat.messages.map((message, i): Message => {
    const { content, reasoning, calls } = message
    const number = `of message ${i + 1}`
    return {
      ...message,
      ...(content === null || content.trim() === ""
        ? {}
        : { content: marked(content, `the content ${number} (${message.role})`, otherTemplate, i) }),
      ...(reasoning === undefined || !learned.has(i)
        ? {}
        : {
            reasoning: marked(
              reasoning,
              `the reasoning ${number}`,
              `set data.reasoning to "drop", or ${otherTemplate.replace("them", "it")}`,
              i
            )
          }),
      ...(calls === undefined
        ? {}
        : {
            calls: calls.map((call) => ({
              ...call,
              name: marked(call.name, `the call of "${call.name}" ${number}`, otherTemplate, i)
            }))
          })
    }
  })
  const conversation: Conversation = { messages, ...(tools === undefined ? {} : { tools }) }
  const rendered = (count: number): string | undefined => {
    const rendering = template.render({ ...conversation, messages: messages.slice(0, count) })
    return isBroken(rendering) ? undefined : rendering.text
  }
  const fullText = rendered(messages.length)
  // a template that inspects marked texts gives no information about the conversation
  if (fullText === undefined) return undefined
  const lost = parts.flatMap(({ subject, fix, message }, i) => {
    if (fullText.includes(mark(i))) return []
    const earlier = examples.length > 1 && message !== undefined ? rendered(message + 1) : undefined
    return earlier?.includes(mark(i)) ? [] : [{ subject, fix }]
  })
  if (lost.length === 0) return undefined
  const [{ fix }] = lost as [(typeof lost)[number]]
  return {
    broken: `the chat template omits ${lost.map(({ subject }) => subject).join(", ")}, so the model would never see it; ${fix}`
  }
}

/** Returns the quoted texts of a template that are not names of roles or fields, by line. */
const namedWords = (source: string): ReadonlyArray<string> => {
  // outside of quotes, too, an escaped character does not open a text: otherwise each would be searched to the end of the source
  const quoted = [...source.matchAll(/\\.|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(
    ([, one, two]) => one ?? two ?? ""
  )
  const words = quoted.flatMap((text) => text.split(/\\n|\n/)).map((word) => word.trim())
  return [...new Set(words)].filter((word) => word.length > 2 && /[^\w\s]/.test(word))
}

export interface SpecialTexts {
  readonly check: (content: CausalContent, where: string) => void
  /** warnings about the rows so far, at most one sentence */
  readonly warnings: () => ReadonlyArray<string>
}

const mostPlaces = 3

/**
 * Finds special tokens inside texts of the data: a tokenizer treats "<|im_end|>" in a message as the end of a turn, as in every other library,
 * although only the template should write it. It may be intended, so it is a warning. `special` matches special tokens; undefined: the tokenizer
 * has none.
 */
export const specialTexts = (special: RegExp | undefined): SpecialTexts => {
  const words = new Set<string>()
  const places: Array<string> = []
  let rows = 0
  return {
    check: (content, where) => {
      if (special === undefined) return
      const matches = textsOf(content).flatMap((text) => text.match(special) ?? [])
      if (matches.length === 0) return
      for (const word of matches) words.add(word)
      if (rows++ < mostPlaces) places.push(where)
    },
    warnings: () => {
      if (rows === 0) return []
      const count = rows === 1 ? "1 row holds" : `${wholeNumber(rows)} rows hold`
      return [
        `${count} ${listed([...words]).join(", ")} in its text, which becomes the special token (${places.join(", ")})`
      ]
    }
  }
}
