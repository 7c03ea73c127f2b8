/**
 * A checkpoint's chat template: Jinja (`@huggingface/jinja`) with the globals of transformers.
 *
 * transformers' tag {% generation %} … {% endgeneration %} marks the assistant's text. The library drops the tag; here it
 * becomes a block that writes a character that no text may contain (a Unicode noncharacter), so that the marks are found in
 * the output, and surrounding white space is treated as around any block.
 */
import type { CausalTokenizer } from "../../tensors/index.ts"
import type { Broken } from "../columns.ts"
import { type BoundedTemplate, boundedTemplate, templateReason } from "./bounded-template.ts"
import type { Conversation, JsonFields, Message } from "./row.ts"
import { templateCall } from "./tools.ts"

/** Output of a template. */
export interface Rendering {
  /** input of the model, including special tokens */
  readonly text: string
  /** the assistant's text between generation tags, in order; absent if the template has no such tags */
  readonly spans?: ReadonlyArray<Span>
}

/** Characters [start, end) of a text. */
export type Span = readonly [start: number, end: number]

/** A checkpoint's chat template, which formats conversations as the model was trained on them. */
export interface ChatTemplate {
  /** Formats a conversation. */
  readonly render: (
    conversation: Conversation,
    options?: {
      /** whether to append the generation prompt, the beginning of an assistant turn; default false */
      readonly prompt?: boolean
    }
  ) => Rendering | Broken
  /** whether the template marks the assistant's text */
  readonly marked: boolean
}

/** Options for compiling a template: its source and its inputs besides conversations. */
export type TemplateOptions = Pick<CausalTokenizer, "specialTokens" | "templateValues" | "templateDate">

const [begin, end] = ["\uFDD0", "\uFDD1"]
const generationTag = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g

/** Replaces each generation tag in the source; keeps the white space control of the tags. */
const withTags = (source: string, tag: (closing: boolean) => string): string =>
  source.replace(
    generationTag,
    (_, left: string, closing: string | undefined, right: string) =>
      `{%${left} if true %}${tag(closing !== undefined)}{% endif ${right}%}`
  )

/** Returns the template for engines whose Jinja does not support generation tags, such as llama.cpp's. */
export const withoutGenerationTags = (source: string): string => withTags(source, () => "")

/** Compiles a template. Returns `Broken` if it is invalid. */
export const chatTemplate = (source: string, options: TemplateOptions): ChatTemplate | Broken => {
  const marked = source.search(generationTag) >= 0
  let template: BoundedTemplate
  try {
    template = boundedTemplate(withTags(source, (closing) => `{{ "${closing ? end : begin}" }}`))
  } catch (cause) {
    return brokenTemplate("is not valid Jinja", cause)
  }
  const { specialTokens, templateValues, templateDate } = options
  const now = templateDate === undefined ? undefined : new Date(`${templateDate}T00:00:00`)
  return {
    marked,
    render: ({ messages, tools }, { prompt = false } = {}) => {
      if (marked && messages.some(holdsMark)) {
        return { broken: "a message holds U+FDD0 or U+FDD1, which are not characters; remove them" }
      }
      try {
        const variables = {
          ...specialTokens,
          ...templateValues,
          messages: messages.map(templateMessage),
          tools: tools === undefined || tools.length === 0 ? null : tools,
          documents: null,
          add_generation_prompt: prompt
        }
        const rendered = template.render(variables, sizeOf(messages, tools), now)
        return marked ? unmarked(rendered) : { text: rendered }
      } catch (cause) {
        return brokenTemplate("rejects the conversation", cause)
      }
    }
  }
}

/** Counts messages, plus thousands of characters of them and of the tools. */
const sizeOf = (messages: ReadonlyArray<Message>, tools: Conversation["tools"] = []): number => {
  const checked = messages.reduce(
    (sum, { content, reasoning = "", calls = [] }) =>
      sum + (content?.length ?? 0) + reasoning.length + (calls.length > 0 ? JSON.stringify(calls).length : 0),
    tools.length > 0 ? JSON.stringify(tools).length : 0
  )
  return messages.length + tools.length + checked / 1_000
}

const holdsMark = ({ content, reasoning = "", calls = [] }: Message): boolean =>
  /[\uFDD0\uFDD1]/.test(`${content ?? ""}${reasoning}${calls.length === 0 ? "" : JSON.stringify(calls)}`)

/** Converts a message to transformers' form: null fields are absent, and reasoning has both names that templates use. */
const templateMessage = (message: Message): JsonFields => {
  const { role, content, reasoning, calls, call, name, other } = message
  return {
    role,
    ...(content === null ? {} : { content }),
    ...(reasoning === undefined ? {} : { thinking: reasoning, reasoning_content: reasoning }),
    ...(calls === undefined ? {} : { tool_calls: calls.map(templateCall) }),
    ...(call === undefined ? {} : { tool_call_id: call }),
    ...(name === undefined ? {} : { name }),
    ...other
  }
}

const brokenTemplate = (problem: string, cause: unknown): Broken => {
  const reason = templateReason(cause)
  return {
    broken: "over" in reason ? `the chat template ${reason.over}` : `the chat template ${problem}: ${reason.refused}`
  }
}

/** Removes the marks, and returns the spans between them. */
const unmarked = (marked: string): Rendering | Broken => {
  const spans: Array<Span> = []
  let text = ""
  let start: number | undefined
  for (const part of marked.split(/([\uFDD0\uFDD1])/)) {
    if (part === begin && start === undefined) start = text.length
    else if (part === end && start !== undefined) {
      if (text.length > start) spans.push([start, text.length])
      start = undefined
    } else if (part === begin || part === end) return { broken: "the chat template nests or crosses generation blocks" }
    else text += part
  }
  return start === undefined ? { text, spans } : { broken: "the chat template leaves a generation block open" }
}

const compiled = new WeakMap<object, ChatTemplate | Broken>()

/** Returns the tokenizer's own template, compiled once, or undefined if it has none. */
export const templateOf = (
  tokenizer: TemplateOptions & Pick<CausalTokenizer, "chatTemplate">
): ChatTemplate | Broken | undefined => {
  if (tokenizer.chatTemplate === null) return undefined
  const template = compiled.get(tokenizer) ?? chatTemplate(tokenizer.chatTemplate, tokenizer)
  compiled.set(tokenizer, template)
  return template
}
