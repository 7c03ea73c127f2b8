/**
 * How a model calls tools: the form of its chat template, read from what it writes, with its reasoning before it.
 *
 * Texts are generated with special tokens written out, since the marks of many forms are special tokens.
 */
import type { Grammar } from "../constraint/index.ts"
import { specialPattern, type Tool, templateOf } from "../data/causal/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import type { ReadCalls } from "./call-form.ts"
import { callFormOf } from "./form-of.ts"
import type { CallFormName } from "./forms.ts"
import { type CallEvent, type CallReader, callReader } from "./reader.ts"

/** A text of the assistant: reasoning, content and calls. */
export interface ReadAnswer extends ReadCalls {
  /** what precedes `</think>`, without its tags; absent: there is none */
  readonly reasoning?: string
}

/** What a model's texts are with some tools. */
export interface ToolUse {
  /** the form of its calls */
  readonly name: CallFormName
  /** the tools */
  readonly tools: ReadonlyArray<Tool>
  /** Reads a whole text. `thinking`: its prompt begins the reasoning. */
  readonly read: (text: string, options?: ThinkingOptions) => ReadAnswer
  /** Reads a text as it arrives; reasoning is text. */
  readonly reader: (options?: ThinkingOptions) => CallReader
  /** texts at which calls may begin */
  readonly openings: ReadonlyArray<string>
  /** whether the text has the beginning of a call, complete or not */
  readonly begins: (text: string) => boolean
  /** texts that call a tool, or one of those that are named; null: the form has no grammar */
  readonly grammar: ((options: CallChoice) => Grammar) | null
}

/** Where a text begins. */
export interface ThinkingOptions {
  /** within reasoning, since the prompt ends with `<think>`; default false */
  readonly thinking?: boolean
}

/** Which calls are wanted. */
export interface CallChoice {
  /** the only tool that may be called; default: any */
  readonly only?: string
  /** whether there may be several calls */
  readonly parallel: boolean
}

/** Why a model cannot call tools, as a sentence. */
export interface NoToolUse {
  /** a sentence without its full stop */
  readonly broken: string
}

const probe = { role: "user", content: "A question?" }

/** How the model of a tokenizer calls tools; `broken` where its chat template writes no tools or no calls that can be read. */
export const toolUse = (tokenizer: CausalTokenizer, tools: ReadonlyArray<Tool>): ToolUse | NoToolUse => {
  const template = templateOf(tokenizer)
  if (template === undefined) return { broken: "the model has no chat template, so it cannot call tools" }
  if ("broken" in template) return template
  const [without, within] = [template.render({ messages: [probe] }), template.render({ messages: [probe], tools })]
  if ("broken" in within) return within
  if (!("broken" in without) && without.text === within.text) {
    return {
      broken:
        "the model's chat template writes no tools, so the model would not see them; train it with a data.chatTemplate that does"
    }
  }
  const found = callFormOf(template)
  if (found === null)
    return { broken: "the model's chat template writes calls in a form that cannot be read here, or writes none" }
  const { name, form } = found
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

/** Whether a prompt ends within reasoning, so that what follows begins with it. */
export const endsThinking = ({ decode }: Pick<CausalTokenizer, "decode">, prompt: ReadonlyArray<number>): boolean =>
  decode(prompt.slice(-8), { special: true }).trimEnd().endsWith(opened)

/** A text's reasoning, and what follows it. */
const thought = (text: string, thinking: boolean): { readonly reasoning?: string; readonly rest: string } => {
  const begins = text.trimStart().startsWith(opened)
  const end = text.indexOf(closed)
  if ((!begins && !thinking) || end < 0) return { rest: text }
  const inside = text.slice(0, end).replace(opened, "").trim()
  return { ...(inside === "" ? {} : { reasoning: inside }), rest: text.slice(end + closed.length).trimStart() }
}

/** A reader to which reasoning is text: calls within it are not made. */
const afterThought = (inner: CallReader, plain: (text: string) => string, thinking: boolean): CallReader => {
  let held = ""
  let state: "undecided" | "thinking" | "after" = thinking ? "thinking" : "undecided"
  const shown = (events: ReadonlyArray<CallEvent>): ReadonlyArray<CallEvent> =>
    events.flatMap((event): ReadonlyArray<CallEvent> => {
      if (event.kind === "call") return [event]
      const text = plain(event.text)
      return text === "" ? [] : [{ kind: "text", text }]
    })
  const text = (own: string): ReadonlyArray<CallEvent> => shown(own === "" ? [] : [{ kind: "text", text: own }])
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
        // the end of it may be the beginning of the tag
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
    return shown(inner.push(rest))
  }
  return {
    push: (piece) => {
      held += piece
      return proceed()
    },
    end: () => {
      if (state === "thinking") return text(held)
      return shown([...inner.push(held), ...inner.end()])
    }
  }
}
