/** Results of tool calls in a typed conversation: the user's message after calls contains their results. */
import type { Message, ToolCall } from "../data/causal/index.ts"
import type { ReadAnswer } from "./tool-use.ts"

/** Converts the assistant's answer to a message; calls without an id get one of nine letters and digits, as some templates require. */
export const answerMessage = ({ content, reasoning, calls }: ReadAnswer, turn: number): Message => {
  const idOf = (i: number) => `call${String(turn).padStart(3, "0")}${String(i).padStart(2, "0")}`
  return {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(calls.length === 0 ? {} : { calls: calls.map((call, i) => ({ id: idOf(i), ...call })) })
  }
}

/** Returns the calls of the last turn that have no result yet. */
export const waitingCalls = (messages: ReadonlyArray<Message>): ReadonlyArray<ToolCall> => {
  const last = messages.findLastIndex(({ role }) => role === "assistant")
  const results = messages.slice(last + 1)
  if (last < 0 || results.some(({ role }) => role !== "tool")) return []
  return (messages[last]!.calls ?? []).slice(results.length)
}

/** Converts the user's next input to messages: results of waiting calls, one per line if there are as many lines as calls. */
export const said = (messages: ReadonlyArray<Message>, text: string): ReadonlyArray<Message> => {
  const waiting = waitingCalls(messages)
  if (waiting.length === 0) return [{ role: "user", content: text }]
  const lines = text.split("\n")
  const results = waiting.length > 1 && lines.length === waiting.length ? lines : [text]
  return results.map((content, i) => {
    const { id, name } = waiting[i]!
    return { role: "tool", content, name, ...(id === undefined ? {} : { call: id }) }
  })
}
