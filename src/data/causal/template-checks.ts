/**
 * What goes wrong with chat templates without a word, found before any weight is loaded: a template that does not end the
 * assistant's turn (the model never learns to stop), one whose end is not learned, a beginning-of-text token written twice.
 */
import type { ChatData } from "../../../schemas/causal-data.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type ChatTemplate, chatTemplate } from "./chat-template.ts"
import { specialPattern } from "./encoder.ts"
import { isBrokenValue } from "./fields.ts"
import type { Message } from "./row.ts"
import { assistantTurns, type Turns } from "./turns.ts"

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
  if (isBrokenValue(template)) return { problems: [template.broken] }
  const probe: ReadonlyArray<Message> = [
    { role: "user", content: "A question?" },
    { role: "assistant", content: answer }
  ]
  const special = specialPattern({ ...tokenizer, chatTemplate: source, specialTokens })
  const turns = lossOn === "assistant" ? assistantTurns(template, probe, special) : written(template, probe)
  if (isBrokenValue(turns)) return { problems: [`of a question and its answer, ${turns.broken}`] }
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
  return isBrokenValue(rendering) ? rendering : { text: rendering.text, spans: [[0, rendering.text.length]] as const }
}

/** The special token behind the answer, and whether it is learned. */
const endOfTurn = (
  template: ChatTemplate,
  { text, spans }: Turns,
  special: RegExp | undefined,
  lossOn: ChatData["lossOn"]
): { readonly problems: ReadonlyArray<string>; readonly end: string } => {
  const at = text.lastIndexOf(answer)
  if (at < 0) return { problems: ["the chat template leaves out what the assistant says"], end: "" }
  const behind = at + answer.length
  const match = special === undefined ? null : [...text.slice(behind).matchAll(special)][0]
  if (match == null) {
    const found = `found ${JSON.stringify(text.slice(behind))} behind it`
    const never = "so the model would never learn to stop"
    return {
      problems: [`the chat template ends the assistant's turn with no special token (${found}), ${never}`],
      end: ""
    }
  }
  const [end] = match
  const learned = spans.some(([from, to]) => from <= at && behind + match.index + end.length <= to)
  if (learned || lossOn === "all") return { problems: [], end }
  const where = template.marked ? "stands outside of {% generation %}" : "is not part of the turn"
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
