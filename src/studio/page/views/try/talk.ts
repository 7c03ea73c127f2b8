/** A talk with a model on two sides: with its adapter, and without. Pure. */
import type { CalledTool, ChosenToken, TokenChoice, WatchInput, WritingEvent } from "../../../protocol/index.ts"

export type Side = "trained" | "base"

export const sideNames: Readonly<Record<Side, string>> = {
  trained: "With the adapter",
  base: "Without the adapter"
}

/** A token with what else was likely there. */
export interface Place {
  readonly token: ChosenToken
  readonly others: ReadonlyArray<TokenChoice>
}

export interface Reply {
  readonly places: ReadonlyArray<Place>
  /** "length": as many tokens as it may have */
  readonly state: "waits" | "writes" | "eos" | "length" | "stopped" | "failed"
  readonly problem?: string
  /** once the model has ended it: the text without its calls, and these */
  readonly read?: { readonly content: string; readonly calls: ReadonlyArray<CalledTool> }
}

export interface Turn {
  readonly said: string
  /** the tools that were called before it, of which it says the results; empty: it is a message */
  readonly resultsOf: ReadonlyArray<string>
  readonly replies: Readonly<Partial<Record<Side, Reply>>>
}

export const textOf = ({ places }: Reply): string => places.map(({ token }) => token.text).join("")

/** What a reply says to its reader: the text, without calls where they are known. */
export const contentOf = (reply: Reply): string => reply.read?.content ?? textOf(reply)

export const callsOf = ({ read }: Reply): ReadonlyArray<CalledTool> => read?.calls ?? []

/** A call's arguments, as JSON. */
export const argumentsOf = ({ arguments: own }: CalledTool): string => JSON.stringify(own)

export const isOver = ({ state }: Reply): boolean => state !== "waits" && state !== "writes"

/** The turns in which a side took part: those in which it was asked, and did not fail before its first token. */
const ownTurns = (turns: ReadonlyArray<Turn>, side: Side) =>
  turns.flatMap(({ said, replies }) => {
    const reply = replies[side]
    return reply === undefined || (reply.state === "failed" && reply.places.length === 0) ? [] : [{ said, reply }]
  })

/** What a side has heard and said. */
export const messagesOf = (turns: ReadonlyArray<Turn>, side: Side): WatchInput<"write">["messages"] =>
  ownTurns(turns, side).flatMap(({ said, reply }) => {
    const text = textOf(reply)
    return [{ role: "user", content: said }, ...(text === "" ? [] : [{ role: "assistant", content: text }])]
  })

/** Tools that a side has called last, whose results are missing. */
const waitingOf = (turns: ReadonlyArray<Turn>, side: Side): ReadonlyArray<string> => {
  const last = ownTurns(turns, side).at(-1)
  return last === undefined ? [] : callsOf(last.reply).map(({ name }) => name)
}

/** Who is asked next: all sides, or those that wait for results of the same tools. */
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

/** The last turn with what its model has just told. */
export const told = (turns: ReadonlyArray<Turn>, event: WritingEvent): ReadonlyArray<Turn> =>
  changed(turns, event.side, (reply) =>
    event.kind === "end"
      ? { ...reply, state: event.finish, read: { content: event.content, calls: event.calls } }
      : { ...reply, state: "writes", places: [...reply.places, { token: event.token, others: event.others }] }
  )

/** The last turn, whose replies that are not over end so. */
export const ended = (turns: ReadonlyArray<Turn>, state: "stopped" | "failed", problem?: string): ReadonlyArray<Turn> =>
  (["trained", "base"] as const).reduce(
    (all, side) =>
      changed(all, side, (reply) =>
        isOver(reply) ? reply : { ...reply, state, ...(problem === undefined ? {} : { problem }) }
      ),
    turns
  )

/** How unlikely a token was: 0, as usual, to 3. */
export const doubt = (probability: number): 0 | 1 | 2 | 3 =>
  probability >= 0.5 ? 0 : probability >= 0.2 ? 1 : probability >= 0.05 ? 2 : 3
