/**
 * A checkpoint's chat template: Jinja (`@huggingface/jinja`) with what transformers gives it.
 *
 * transformers' tag {% generation %} … {% endgeneration %} marks what the assistant says. The library drops the tag; here it
 * becomes a block that writes a character which no text may hold (a Unicode noncharacter), so that the marks are found in
 * what the template wrote and white space around them is treated as around any block.
 */
import { Template } from "@huggingface/jinja"
import type { CausalTokenizer } from "../../tensors/index.ts"
import type { Broken } from "../labelled-fields.ts"
import type { Message } from "./row.ts"

/** What a template wrote; `spans`: the characters between generation tags, absent where the template has no such tag. */
export interface Rendering {
  readonly text: string
  readonly spans?: ReadonlyArray<Span>
}

/** Characters [start, end) of a text. */
export type Span = readonly [start: number, end: number]

export interface ChatTemplate {
  /** Writes a conversation out; `prompt`: with the beginning of an assistant's turn behind it. */
  readonly render: (messages: ReadonlyArray<Message>, options?: { readonly prompt?: boolean }) => Rendering | Broken
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
  let template: Template
  try {
    template = new Template(blocks)
  } catch (cause) {
    return { broken: `the chat template is not valid Jinja: ${reasonOf(cause)}` }
  }
  return {
    marked,
    render: (messages, { prompt = false } = {}) => {
      if (messages.some(({ content }) => content?.includes(begin) || content?.includes(end))) {
        return { broken: "a message holds U+FDD0 or U+FDD1, which are no characters; remove them" }
      }
      try {
        const given = { ...specialTokens, messages, add_generation_prompt: prompt, tools: null, documents: null }
        const written = String(template.render(given))
        return marked ? unmarked(written) : { text: written }
      } catch (cause) {
        return { broken: `the chat template refuses the conversation: ${reasonOf(cause)}` }
      }
    }
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Takes the marks out and tells what stood between them. */
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
