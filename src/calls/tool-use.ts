/**
 * Tool use of a model: the form of its chat template, parsed from its output, with preceding reasoning.
 *
 * Texts are generated including special tokens, since many forms use them as marks.
 */
import type { Grammar } from "../constraint/index.ts"
import { specialPattern, type Tool, templateOf } from "../data/causal/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import type { ReadCalls } from "./call-form.ts"
import { callFormOf } from "./form-of.ts"
import type { CallFormName } from "./forms.ts"
import { type CallEvent, type CallReader, callReader } from "./reader.ts"

/** An assistant's text: reasoning, content and calls. */
export interface ReadAnswer extends ReadCalls {
  /** text before `</think>`, without the tags; absent if there is no reasoning */
  readonly reasoning?: string
}

/** Tool use of a model with a set of tools. */
export interface ToolUse {
  /** name of the form of its calls */
  readonly name: CallFormName
  /** available tools */
  readonly tools: ReadonlyArray<Tool>
  /** Parses a whole text. `thinking`: the prompt already opened the reasoning. */
  readonly read: (text: string, options?: ThinkingOptions) => ReadAnswer
  /** Parses a text as it arrives; reasoning is text. */
  readonly reader: (options?: ThinkingOptions) => CallReader
  /** texts with which calls may begin */
  readonly openings: ReadonlyArray<string>
  /** Returns whether the text contains the opening of a call, complete or not. */
  readonly begins: (text: string) => boolean
  /** grammar of texts that call a tool, or only the named one; null: the form has no grammar */
  readonly grammar: ((options: CallChoice) => Grammar) | null
}

/** Options for the beginning of a text. */
export interface ThinkingOptions {
  /** whether it begins within reasoning, since the prompt ends with `<think>`; default false */
  readonly thinking?: boolean
}

/** Options for the calls to generate. */
export interface CallChoice {
  /** the only tool that may be called; default: any */
  readonly only?: string
  /** whether there may be several calls */
  readonly parallel: boolean
}

/** Reason why a model cannot call tools. */
export interface NoToolUse {
  /** a sentence without its full stop */
  readonly broken: string
}

const probe = { role: "user", content: "A question?" }

/** Returns the tool use of a tokenizer's model. Returns `broken` if its chat template does not support tools, or its calls cannot be parsed. */
export const toolUse = (tokenizer: CausalTokenizer, tools: ReadonlyArray<Tool>): ToolUse | NoToolUse => {
  const template = templateOf(tokenizer)
  if (template === undefined) return { broken: "the model has no chat template, so it cannot call tools" }
  if ("broken" in template) return template
  const [without, within] = [template.render({ messages: [probe] }), template.render({ messages: [probe], tools })]
  if ("broken" in within) return within
  if (!("broken" in without) && without.text === within.text) {
    return {
      broken:
        "the model's chat template omits tools, so the model would not see them; train it with a data.chatTemplate that includes them"
    }
  }
  const named = callFormOf(template)
  if (named === null)
    return { broken: "the model's chat template writes no calls, or writes them in an unsupported form" }
  const { name, form } = named
  const special = specialPattern(tokenizer)
  const plain = (text: string) => (special === undefined ? text : text.replaceAll(special, ""))
  return {
    name,
    tools,
    read: (text, { thinking = false } = {}) => {
      const { reasoning, rest } = thought(text, thinking)
      const { content, calls } = form.parse(rest, tools)
      return { content: plain(content), calls, ...(reasoning === undefined ? {} : { reasoning }) }
    },
    reader: ({ thinking = false } = {}) => afterThought(callReader(form, tools), plain, thinking),
    openings: form.openings,
    begins: (text) => form.openings.some((opening) => text.includes(opening)),
    grammar:
      form.grammar === null
        ? null
        : ({ only, parallel }) =>
            form.grammar!(only === undefined ? tools : tools.filter((tool) => tool.function.name === only), {
              parallel
            })
  }
}

const [opened, closed] = ["<think>", "</think>"]

/** Checks whether a prompt ends within reasoning, so that its continuation begins with reasoning. */
export const endsThinking = ({ decode }: Pick<CausalTokenizer, "decode">, prompt: ReadonlyArray<number>): boolean =>
  decode(prompt.slice(-8), { special: true }).trimEnd().endsWith(opened)

/** Splits a text into reasoning and the rest. */
const thought = (text: string, thinking: boolean): { readonly reasoning?: string; readonly rest: string } => {
  const begins = text.trimStart().startsWith(opened)
  const end = text.indexOf(closed)
  if ((!begins && !thinking) || end < 0) return { rest: text }
  const inside = text.slice(0, end).replace(opened, "").trim()
  return { ...(inside === "" ? {} : { reasoning: inside }), rest: text.slice(end + closed.length).trimStart() }
}

/** Creates a reader that treats reasoning as text: calls in it are ignored. */
const afterThought = (inner: CallReader, plain: (text: string) => string, thinking: boolean): CallReader => {
  let held = ""
  let state: "undecided" | "thinking" | "after" = thinking ? "thinking" : "undecided"
  const withoutThinking = (events: ReadonlyArray<CallEvent>): ReadonlyArray<CallEvent> =>
    events.flatMap((event): ReadonlyArray<CallEvent> => {
      if (event.kind === "call") return [event]
      const text = plain(event.text)
      return text === "" ? [] : [{ kind: "text", text }]
    })
  const text = (piece: string): ReadonlyArray<CallEvent> =>
    withoutThinking(piece === "" ? [] : [{ kind: "text", text: piece }])
  const proceed = (): ReadonlyArray<CallEvent> => {
    if (state === "undecided") {
      const start = held.trimStart()
      if (start.startsWith(opened)) state = "thinking"
      else if (opened.startsWith(start)) return []
      else state = "after"
    }
    if (state === "thinking") {
      const end = held.indexOf(closed)
      if (end < 0) {
        // its end may be the beginning of the tag
        const certain = held.slice(0, Math.max(0, held.length - closed.length + 1))
        held = held.slice(certain.length)
        return text(certain)
      }
      const reasoning = held.slice(0, end + closed.length)
      held = held.slice(reasoning.length)
      state = "after"
      return [...text(reasoning), ...proceed()]
    }
    const rest = held
    held = ""
    return withoutThinking(inner.push(rest))
  }
  return {
    push: (piece) => {
      held += piece
      return proceed()
    },
    end: () => {
      if (state === "thinking") return text(held)
      return withoutThinking([...inner.push(held), ...inner.end()])
    }
  }
}
