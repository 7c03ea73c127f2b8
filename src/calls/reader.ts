/** Parses model output into text and calls as it arrives. `parse` of a form applies this reader to the whole text. */
import type { Tool, ToolCall } from "../data/causal/index.ts"
import type { CallBlock, CallForm, CallGrammar, ReadCalls } from "./call-form.ts"
import { type Input, noCall, type Reading, skipSpace, take } from "./input.ts"

/** A part of the assistant's answer. */
export type CallEvent =
  | {
      readonly kind: "text"
      /** not empty */
      readonly text: string
    }
  | {
      readonly kind: "call"
      /** complete call */
      readonly call: ToolCall
    }

/** Parses an answer in pieces. */
export interface CallReader {
  /** Appends a piece and returns the new events. Holds text back only while it may begin a call. */
  readonly push: (piece: string) => ReadonlyArray<CallEvent>
  /** Ends the answer and returns the remaining events; an incomplete call is text. */
  readonly end: () => ReadonlyArray<CallEvent>
}

/** Creates a reader of one answer. `tools`: as in `CallForm.parse`. Its events add up to the result of `parse`. */
export const callReader = (form: Pick<CallForm, "blocks">, tools: ReadonlyArray<Tool> = []): CallReader => {
  /** starts at the block that is being parsed, or at undecided text */
  const input: Input = { text: "", at: 0 }
  let reading: Reading<ReadonlyArray<ToolCall>> | undefined
  /** white space that may separate a call from text, depending on what follows */
  let space = ""
  let [afterCall, texts] = [false, false]
  let events: Array<CallEvent> = []

  const write = (text: string) => {
    const content = text.trimStart()
    space += text.slice(0, text.length - content.length)
    if (content === "") return
    // a call before any text includes the white space after it
    const finished = (afterCall && !texts ? "" : space) + content.trimEnd()
    space = content.slice(content.trimEnd().length)
    ;[afterCall, texts] = [false, true]
    const last = events.at(-1)
    if (last?.kind === "text") events[events.length - 1] = { kind: "text", text: last.text + finished }
    else events.push({ kind: "text", text: finished })
  }
  const drop = (characters: number) => {
    input.text = input.text.slice(characters)
    input.at = 0
  }
  /** Emits the text before the next opening and starts to parse there. `from`: number of characters known to be text. */
  const seek = (from: number, ended: boolean): boolean => {
    const { text } = input
    let onlyCalls = afterCall || !texts
    for (let at = 0; at < text.length; at++) {
      const block = at < from ? undefined : blockAt(form.blocks, text, at, onlyCalls, ended)
      if (block === undefined) {
        onlyCalls &&= /\s/.test(text[at]!)
        continue
      }
      write(text.slice(0, at))
      drop(at)
      if (block === "undecided") return false
      input.at = block.opening.length
      reading = block.read(input, tools)
      return true
    }
    write(text)
    drop(text.length)
    return false
  }
  const proceed = (ended: boolean): ReadonlyArray<CallEvent> => {
    events = []
    let open = reading !== undefined || seek(0, ended)
    while (open) {
      const calls = step(reading!)
      if (calls === "pauses" && !ended) return events
      reading = undefined
      if (typeof calls === "string") {
        open = seek(1, ended)
        continue
      }
      for (const call of calls) events.push({ kind: "call", call })
      space = ""
      afterCall = true
      drop(input.at)
      open = seek(0, ended)
    }
    return events
  }
  return {
    push: (piece) => {
      input.text += piece
      return proceed(false)
    },
    end: () => {
      const rest = proceed(true)
      if (afterCall || space === "") return rest
      return [...rest, { kind: "text", text: space }]
    }
  }
}

const step = (reading: Reading<ReadonlyArray<ToolCall>>): ReadonlyArray<ToolCall> | "pauses" | "fails" => {
  try {
    const { done, value } = reading.next()
    return done ? value : "pauses"
  } catch (cause) {
    if (cause !== noCall) throw cause
    return "fails"
  }
}

/** Returns the block that begins here; "undecided": the text ends within an opening. */
const blockAt = (
  blocks: ReadonlyArray<CallBlock>,
  text: string,
  at: number,
  onlyCalls: boolean,
  ended: boolean
): CallBlock | "undecided" | undefined => {
  let undecided = false
  for (const block of blocks) {
    if (block.first && !onlyCalls) continue
    if (text.startsWith(block.opening, at)) return block
    undecided ||= !ended && text.length - at < block.opening.length && block.opening.startsWith(text.slice(at))
  }
  return undecided ? "undecided" : undefined
}

/** Creates a block between two texts, with or without white space. */
export const block = (opening: string, read: CallBlock["read"], close = "", first = false): CallBlock => ({
  opening,
  first,
  read: function* (input, tools) {
    yield* skipSpace(input)
    const calls = yield* read(input, tools)
    if (close !== "") {
      yield* skipSpace(input)
      yield* take(input, close)
    }
    return calls
  }
})

/** Creates a form from blocks. */
export const callForm = (grammar: CallGrammar | null, ...blocks: ReadonlyArray<CallBlock>): CallForm => ({
  blocks,
  openings: blocks.map(({ opening }) => opening),
  grammar,
  parse: (text, tools) => readWhole(callReader({ blocks }, tools), text)
})

/** Parses a whole text with a new reader. */
export const readWhole = (reader: CallReader, text: string): ReadCalls => {
  const events = [...reader.push(text), ...reader.end()]
  return {
    content: events.map((event) => (event.kind === "text" ? event.text : "")).join(""),
    calls: events.flatMap((event) => (event.kind === "call" ? [event.call] : []))
  }
}
