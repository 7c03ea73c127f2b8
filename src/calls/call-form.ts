/** How a family of models writes calls of tools. */
import type { Grammar } from "../constraint/index.ts"
import type { Tool, ToolCall } from "../data/causal/index.ts"
import type { Input, Reading } from "./input.ts"

/** A text of the assistant, read. */
export interface ReadCalls {
  /** what is not part of a call, without the white space that separates it from calls */
  readonly content: string
  /** in the order in which they were written */
  readonly calls: ReadonlyArray<ToolCall>
}

/** A part of a text that is one or more calls: recognized by its opening and read whole or not at all. */
export interface CallBlock {
  /** the text with which it begins */
  readonly opening: string
  /** true: only white space and other calls may precede it in the text; default false */
  readonly first?: boolean
  /** Reads the rest, at least one call. */
  readonly read: (input: Input, tools: ReadonlyArray<Tool>) => Reading<ReadonlyArray<ToolCall>>
}

/** Texts that call at least one of the tools; exactly one call where calls may not be parallel. */
export type CallGrammar = (
  tools: ReadonlyArray<Tool>,
  options: {
    /** whether there may be more than one call */
    readonly parallel: boolean
  }
) => Grammar

/** A form of calls. */
export interface CallForm {
  /**
   * Reads a text, special tokens written out. What is not a call stays text. `tools`: for forms that write values without quotes, in
   * which the tool's schema decides whether `3` is a text or a number; values of other parameters are JSON where they can be.
   */
  readonly parse: (text: string, tools?: ReadonlyArray<Tool>) => ReadCalls
  /** texts at which calls may begin: a stream holds back what follows them until it is known */
  readonly openings: ReadonlyArray<string>
  /** by which streams read the form */
  readonly blocks: ReadonlyArray<CallBlock>
  /** null: the form writes text that no grammar describes */
  readonly grammar: CallGrammar | null
}
