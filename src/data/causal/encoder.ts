/**
 * Rows → sequences of tokens with their labels.
 *
 *   chat        what the template writes, without anything of the tokenizer's own around it; learned is what the assistant says
 *   completion  BOS (where the tokenizer begins texts with one), prompt, completion, EOS; learned are completion and EOS
 *   text        BOS, text, EOS; learned is all of it
 *
 * Labels are shifted on the whole sequence, labels[t] = ids[t + 1], and cut together with the ids afterwards.
 */
import type { CausalData } from "../../../schemas/causal-data.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import type { Broken } from "../labelled-fields.ts"
import type { ChatTemplate, Span } from "./chat-template.ts"
import { isBrokenValue } from "./fields.ts"
import { type CausalContent, ignored, type Sequence } from "./row.ts"
import { maskedIds } from "./token-spans.ts"
import { assistantTurns } from "./turns.ts"

/** A row as a tokenizer sees it: its text and the characters that are learned. */
export interface Written {
  readonly text: string
  readonly spans: ReadonlyArray<Span>
}

export interface RowEncoder {
  readonly write: (content: CausalContent) => Written | Broken
  readonly encode: (content: CausalContent) => Sequence | Broken
}

/** `template` is needed for conversations alone; the section tells what is learned. */
export const rowEncoder = (
  section: CausalData,
  tokenizer: CausalTokenizer,
  template: ChatTemplate | undefined
): RowEncoder => {
  const special = specialPattern(tokenizer)
  const begin = section.format === "chat" ? [] : beginningOf(tokenizer)
  const write = (content: CausalContent): Written | Broken => {
    if (content.kind === "text") return { text: content.text, spans: [[0, content.text.length]] }
    if (content.kind === "completion") return completion(content, section)
    if (template === undefined) return { broken: "a conversation needs a chat template" }
    if (section.format !== "chat" || section.lossOn === "assistant") {
      return assistantTurns(template, content.messages, special)
    }
    const written = template.render(content.messages)
    return isBrokenValue(written) ? written : { text: written.text, spans: [[0, written.text.length]] }
  }
  const encode = (content: CausalContent): Sequence | Broken => {
    const written = write(content)
    if (isBrokenValue(written)) return written
    try {
      const { ids, mask } = maskedIds(written.text, written.spans, tokenizer.encode)
      const ended = content.kind === "chat" || tokenizer.eosId === null ? [] : [tokenizer.eosId]
      return sequence([...begin, ...ids, ...ended], (i) => (mask[i - begin.length] ?? 1) === 1)
    } catch (cause) {
      return { broken: `cannot be tokenized: ${cause instanceof Error ? cause.message : String(cause)}` }
    }
  }
  return { write, encode }
}

const completion = (
  { prompt, completion: rest }: { readonly prompt: string; readonly completion: string },
  section: CausalData
): Written => {
  const text = prompt + rest
  const all = section.format === "completion" && section.lossOn === "all"
  return { text, spans: [[all ? 0 : prompt.length, text.length]] }
}

/** The first token is never a label: nothing stands before it. */
const sequence = (tokens: ReadonlyArray<number>, learned: (token: number) => boolean): Sequence => ({
  ids: Int32Array.from(tokens),
  labels: Int32Array.from(tokens, (_, t) => (t + 1 < tokens.length && learned(t + 1) ? tokens[t + 1]! : ignored))
})

const beginningOf = ({ encode, bosId }: CausalTokenizer): ReadonlyArray<number> =>
  bosId !== null && encode("", { special: true })[0] === bosId ? [bosId] : []

/** The special tokens as they stand in a text; undefined where there is none. */
export const specialPattern = (tokenizer: CausalTokenizer): RegExp | undefined => {
  const { specialIds, eosId, specialTokens } = tokenizer
  const ids = new Set(eosId === null ? specialIds : [...specialIds, eosId])
  const written = [...ids].map((id) => tokenizer.decode([id], { special: true }).trim())
  const words = [...new Set([...written, ...Object.values(specialTokens)])].filter((word) => word !== "")
  if (words.length === 0) return undefined
  // the longest first: "<s>" may begin another
  const longestFirst = words.sort((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"), "g")
}
