/**
 * What goes wrong silently with chat templates and conversations, found before any weight is loaded:
 *
 *   checkTemplate   a template that does not end the assistant's turn (the model never learns to stop), one whose end is not learned,
 *                   a beginning-of-text token written twice
 *   refusals        conversations that the template cannot write
 *   specialTexts    special tokens inside what people wrote
 */
import type { ChatData } from "../../../schemas/index.ts"
import { listed } from "../../boundary/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type Broken, isBroken } from "../columns.ts"
import { assistantTurns, type ChatTemplate, chatTemplate, type Turns } from "./chat-template.ts"
import { textsOf } from "./content.ts"
import { specialPattern } from "./encoder.ts"
import type { CausalContent, Message } from "./row.ts"

/** A template that will do, or what is wrong with it, a sentence each. */
export type CheckedTemplate =
  | { readonly template: ChatTemplate; readonly warnings: ReadonlyArray<string> }
  | { readonly problems: ReadonlyArray<string> }

const answer = "An answer."

/** Compiles the tokenizer's template and writes a conversation of two messages with it. */
export const checkTemplate = (
  { chatTemplate: source, specialTokens, ...tokenizer }: CausalTokenizer,
  { lossOn }: Pick<ChatData, "lossOn">
): CheckedTemplate => {
  if (source === null) {
    const reason =
      "the checkpoint has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja)"
    return { problems: [`${reason}; use a model made for conversations, or data.format "completion"`] }
  }
  const template = chatTemplate(source, specialTokens)
  if (isBroken(template)) return { problems: [template.broken] }
  const probe: ReadonlyArray<Message> = [
    { role: "user", content: "A question?" },
    { role: "assistant", content: answer }
  ]
  const special = specialPattern({ ...tokenizer, chatTemplate: source, specialTokens })
  const turns = lossOn === "assistant" ? assistantTurns(template, probe, special) : written(template, probe)
  if (isBroken(turns)) return { problems: [`of a question and its answer, ${turns.broken}`] }
  const { problems, end } = endOfTurn(template, turns, special, lossOn)
  const ids = tokenizer.encode(turns.text)
  const { bosId } = tokenizer
  const doubled = bosId !== null && ids[0] === bosId && ids[1] === bosId
  const twice = doubled
    ? ["the chat template and the tokenizer both begin a text with the beginning-of-text token"]
    : []
  if (problems.length + twice.length > 0) return { problems: [...problems, ...twice] }
  return { template, warnings: warningsOf(tokenizer, source, ids, end) }
}

const written = (template: ChatTemplate, messages: ReadonlyArray<Message>) => {
  const rendering = template.render(messages)
  return isBroken(rendering) ? rendering : { text: rendering.text, spans: [[0, rendering.text.length]] as const }
}

/** The special token after the answer, and whether it is learned. */
const endOfTurn = (
  template: ChatTemplate,
  { text, spans }: Turns,
  special: RegExp | undefined,
  lossOn: ChatData["lossOn"]
): { readonly problems: ReadonlyArray<string>; readonly end: string } => {
  const at = text.lastIndexOf(answer)
  if (at < 0) return { problems: ["the chat template leaves out what the assistant says"], end: "" }
  const after = at + answer.length
  const match = special === undefined ? null : [...text.slice(after).matchAll(special)][0]
  if (match == null) {
    const found = `found ${JSON.stringify(text.slice(after))} after it`
    const never = "so the model would never learn to stop"
    return {
      problems: [`the chat template ends the assistant's turn with no special token (${found}), ${never}`],
      end: ""
    }
  }
  const [end] = match
  const learned = spans.some(([from, to]) => from <= at && after + match.index + end.length <= to)
  if (learned || lossOn === "all") return { problems: [], end }
  const where = template.marked ? "is outside of {% generation %}" : "is not part of the turn"
  return {
    problems: [`${end}, which ends the assistant's turn, ${where}, so the model would never learn to stop`],
    end
  }
}

const warningsOf = (
  { bosId, eosId, encode, decode }: Pick<CausalTokenizer, "bosId" | "eosId" | "encode" | "decode">,
  source: string,
  ids: ReadonlyArray<number>,
  end: string
): ReadonlyArray<string> => {
  const warnings: Array<string> = []
  const eos = eosId === null ? undefined : decode([eosId], { special: true })
  if (eos !== undefined && eos.trim() !== end) {
    warnings.push(
      `the chat template ends the assistant's turn with ${end}, while the tokenizer's end-of-text token is ${eos}: generation has to stop at the former too`
    )
  }
  if (bosId !== null && encode("", { special: true })[0] === bosId && ids[0] !== bosId) {
    warnings.push(
      `the tokenizer begins texts with ${decode([bosId], { special: true })}, the chat template does not; conversations are as the template writes them`
    )
  }
  if (source.includes("strftime_now")) {
    warnings.push("the chat template may write the date of the day, so that the same rows differ from day to day")
  }
  return warnings
}

type Conversation = Extract<CausalContent, { readonly kind: "chat" }>

/**
 * Why a conversation cannot be written, or nothing; for every row of a file without writing every one (which takes 80 µs and more). A
 * template depends on who speaks when, on which fields a message has, and on words that it names itself ("</think>"): one conversation
 * of every such shape is written. `source` is the template's, `write` uses it.
 */
export const refusals = (
  source: string,
  write: (content: Conversation) => object | Broken
): ((content: Conversation) => Broken | undefined) => {
  const words = namedWords(source)
  const known = new Map<string, Broken | undefined>()
  return (content) => {
    const shape = content.messages.map((message) => shapeOf(message, words)).join(" ")
    if (!known.has(shape)) {
      const written = write(content)
      known.set(shape, isBroken(written) ? written : undefined)
    }
    return known.get(shape)
  }
}

const shapeOf = (message: Message, words: ReadonlyArray<string>): string => {
  const { role, content } = message
  const named = words.flatMap((word, i) => (content?.includes(word) ? [i] : []))
  return `${role}:${content === null ? "-" : content.trim() === "" ? "blank" : named.join()}:${Object.keys(message).join()}`
}

/** The texts between quotes that are not names of roles or fields, line by line. */
const namedWords = (source: string): ReadonlyArray<string> => {
  // outside of quotes too an escaped character is none that opens any: else each of many would be tried to the end of the text
  const quoted = [...source.matchAll(/\\.|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(
    ([, one, two]) => one ?? two ?? ""
  )
  const words = quoted.flatMap((text) => text.split(/\\n|\n/)).map((word) => word.trim())
  return [...new Set(words)].filter((word) => word.length > 2 && /[^\w\s]/.test(word))
}

export interface SpecialTexts {
  readonly check: (content: CausalContent, where: string) => void
  /** a sentence about the rows seen, or nothing */
  readonly warnings: () => ReadonlyArray<string>
}

const placesShown = 3

/**
 * Special tokens inside what people wrote: a tokenizer takes "<|im_end|>" in a message for the end of a turn, as it does in every other
 * library, so a row can say what only the template should. That may be intended; it is reported. `special` finds special tokens in a
 * text; undefined: there are none.
 */
export const specialTexts = (special: RegExp | undefined): SpecialTexts => {
  const words = new Set<string>()
  const places: Array<string> = []
  let rows = 0
  return {
    check: (content, where) => {
      if (special === undefined) return
      const found = textsOf(content).flatMap((text) => text.match(special) ?? [])
      if (found.length === 0) return
      for (const word of found) words.add(word)
      if (rows++ < placesShown) places.push(where)
    },
    warnings: () => {
      if (rows === 0) return []
      const count = rows === 1 ? "1 row holds" : `${rows.toLocaleString("en")} rows hold`
      return [
        `${count} ${listed([...words]).join(", ")} in its text, which becomes the special token (${places.join(", ")})`
      ]
    }
  }
}
