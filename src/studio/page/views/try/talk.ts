/** A talk with a model on two sides: with its adapter, and without. Pure. */
import type { ChosenToken, TokenChoice, WatchInput, WritingEvent } from "../../../protocol/index.ts"

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
}

export interface Turn {
  readonly said: string
  readonly replies: Readonly<Partial<Record<Side, Reply>>>
}

export const textOf = ({ places }: Reply): string => places.map(({ token }) => token.text).join("")

export const isOver = ({ state }: Reply): boolean => state !== "waits" && state !== "writes"

/** What a side has heard and said. A turn that it had no part in is none of its own. */
export const messagesOf = (turns: ReadonlyArray<Turn>, side: Side): WatchInput<"write">["messages"] =>
  turns.flatMap(({ said, replies }) => {
    const reply = replies[side]
    if (reply === undefined) return []
    const text = textOf(reply)
    return [{ role: "user", content: said }, ...(text === "" ? [] : [{ role: "assistant", content: text }])]
  })

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
      ? { ...reply, state: event.finish }
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
