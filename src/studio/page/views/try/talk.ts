/** A conversation with two sides of a model: with its adapter, and without. Pure. */
import type { CalledTool, ChosenToken, TokenChoice, WatchInput, WritingEvent } from "../../../protocol/index.ts"

export type Side = "trained" | "base"

export const sideNames: Readonly<Record<Side, string>> = {
  trained: "With the adapter",
  base: "Without the adapter"
}

/** A token with the alternatives at its position. */
export interface Place {
  readonly token: ChosenToken
  readonly likeliest: ReadonlyArray<TokenChoice>
}

export interface Reply {
  readonly places: ReadonlyArray<Place>
  /** "length": at the token limit */
  readonly state: "waits" | "writes" | "eos" | "length" | "stopped" | "failed"
  readonly problem?: string
  /** after its end: the text without its calls, and the calls */
  readonly read?: { readonly content: string; readonly calls: ReadonlyArray<CalledTool> }
}

export interface Turn {
  readonly message: string
  /** the called tools whose results it gives; empty: it is a message */
  readonly resultsOf: ReadonlyArray<string>
  readonly replies: Readonly<Partial<Record<Side, Reply>>>
}

export const textOf = ({ places }: Reply): string => places.map(({ token }) => token.text).join("")

/** The text of a reply, without calls once they are known. */
export const contentOf = (reply: Reply): string => reply.read?.content ?? textOf(reply)

export const callsOf = ({ read }: Reply): ReadonlyArray<CalledTool> => read?.calls ?? []

/** A call's arguments, as JSON. */
export const argumentsOf = ({ arguments: values }: CalledTool): string => JSON.stringify(values)

export const isOver = ({ state }: Reply): boolean => state !== "waits" && state !== "writes"

/** The turns of a side: those in which it was asked and did not fail before its first token. */
const ownTurns = (turns: ReadonlyArray<Turn>, side: Side) =>
  turns.flatMap(({ message, replies }) => {
    const reply = replies[side]
    return reply === undefined || (reply.state === "failed" && reply.places.length === 0)
      ? []
      : [{ said: message, reply }]
  })

/** The messages of a side. */
export const messagesOf = (turns: ReadonlyArray<Turn>, side: Side): WatchInput<"write">["messages"] =>
  ownTurns(turns, side).flatMap(({ said, reply }) => {
    const text = textOf(reply)
    return [{ role: "user", content: said }, ...(text === "" ? [] : [{ role: "assistant", content: text }])]
  })

/** Tools that a side called last, whose results are missing. */
const waitingOf = (turns: ReadonlyArray<Turn>, side: Side): ReadonlyArray<string> => {
  const last = ownTurns(turns, side).at(-1)
  return last === undefined ? [] : callsOf(last.reply).map(({ name }) => name)
}

/** The sides of the next turn: all, or those that wait for results of the same tools. */
export const nextAsked = (
  turns: ReadonlyArray<Turn>,
  sides: ReadonlyArray<Side>
): { readonly sides: ReadonlyArray<Side>; readonly resultsOf: ReadonlyArray<string> } => {
  const waiting = sides.map((side) => ({ side, names: waitingOf(turns, side) }))
  const resultsOf = waiting.find(({ names }) => names.length > 0)?.names ?? []
  const same = waiting.filter(({ names }) => names.join("\n") === resultsOf.join("\n"))
  return { sides: same.map(({ side }) => side), resultsOf }
}

const changed = (turns: ReadonlyArray<Turn>, side: Side, change: (reply: Reply) => Reply): ReadonlyArray<Turn> =>
  turns.map((turn, i) => {
    const reply = turn.replies[side]
    return i < turns.length - 1 || reply === undefined
      ? turn
      : { ...turn, replies: { ...turn.replies, [side]: change(reply) } }
  })

/** The turns with an event of the model applied to the last one. */
export const withEvent = (turns: ReadonlyArray<Turn>, event: WritingEvent): ReadonlyArray<Turn> =>
  changed(turns, event.side, (reply) =>
    event.kind === "end"
      ? { ...reply, state: event.finish, read: { content: event.content, calls: event.calls } }
      : { ...reply, state: "writes", places: [...reply.places, { token: event.token, likeliest: event.likeliest }] }
  )

/** The turns with unfinished replies of the last one ended in this state. */
export const ended = (turns: ReadonlyArray<Turn>, state: "stopped" | "failed", problem?: string): ReadonlyArray<Turn> =>
  (["trained", "base"] as const).reduce(
    (all, side) =>
      changed(all, side, (reply) =>
        isOver(reply) ? reply : { ...reply, state, ...(problem === undefined ? {} : { problem }) }
      ),
    turns
  )

/** Doubt about a token, from 0 (likely) to 3. */
export const doubt = (probability: number): 0 | 1 | 2 | 3 =>
  probability >= 0.5 ? 0 : probability >= 0.2 ? 1 : probability >= 0.05 ? 2 : 3

/** A piece of a text; `isOwn`: the other text does not have it. */
export interface Piece {
  readonly text: string
  readonly isOwn: boolean
}

/** Words that are compared: longer texts are left unmarked, since the time grows with the square. */
const MOST_WORDS = 1_000

/** A text in pieces, with the words outside its longest common subsequence with another text marked as its own. */
export const differences = (text: string, comparedWith: string): ReadonlyArray<Piece> => {
  const wordsOf = (words: string): ReadonlyArray<string> => words.match(/\S+\s*|\s+/g) ?? []
  const [a, b] = [wordsOf(text), wordsOf(comparedWith)]
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) return [{ text, isOwn: false }]
  const isEqual = (i: number, j: number) => a[i]!.trim() === b[j]!.trim()
  // lengths of the longest common subsequence of a from i on and b from j on
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i]![j] = isEqual(i, j) ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
    }
  }
  const pieces: Array<Piece> = []
  for (let [i, j] = [0, 0]; i < a.length; i++) {
    while (j < b.length && !isEqual(i, j) && lengths[i]![j + 1] === lengths[i]![j]) j++
    const isShared = j < b.length && isEqual(i, j)
    if (isShared) j++
    const last = pieces.at(-1)
    if (last?.isOwn === !isShared) pieces[pieces.length - 1] = { text: last.text + a[i]!, isOwn: last.isOwn }
    else pieces.push({ text: a[i]!, isOwn: !isShared })
  }
  return pieces
}
