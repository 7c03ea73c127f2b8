/** Forms in which model families write tool calls. */
import type { Grammar } from "../constraint/index.ts"
import type { Tool, ToolCall } from "../data/causal/index.ts"
import type { Input, Reading } from "./input.ts"

/** Content and tool calls of an assistant's text. */
export interface ReadCalls {
  /** text outside of calls, without the white space that separates it from them */
  readonly content: string
  /** calls in the order of the text */
  readonly calls: ReadonlyArray<ToolCall>
}

/** A part of a text that contains one or more calls: recognised by its opening, and parsed completely or not at all. */
export interface CallBlock {
  /** text with which it begins */
  readonly opening: string
  /** true: only white space and other calls may precede it in the text; default false */
  readonly first?: boolean
  /** Parses the rest, at least one call. */
  readonly read: (input: Input, tools: ReadonlyArray<Tool>) => Reading<ReadonlyArray<ToolCall>>
}

/** Returns a grammar of texts that call at least one of the tools; exactly one call unless `parallel`. */
export type CallGrammar = (
  tools: ReadonlyArray<Tool>,
  options: {
    /** whether there may be more than one call */
    readonly parallel: boolean
  }
) => Grammar

/** A form of tool calls. */
export interface CallForm {
  /**
   * Parses a text that includes special tokens. What is not a call remains text. `tools`: for forms that write values without quotes, in
   * which the tool's schema determines whether `3` is a string or a number; values of other parameters are parsed as JSON if possible.
   */
  readonly parse: (text: string, tools?: ReadonlyArray<Tool>) => ReadCalls
  /** texts with which calls may begin; a stream holds back the text after one until it is parsed */
  readonly openings: ReadonlyArray<string>
  /** blocks by which streams parse the form */
  readonly blocks: ReadonlyArray<CallBlock>
  /** null: the form contains text that no grammar describes */
  readonly grammar: CallGrammar | null
}
