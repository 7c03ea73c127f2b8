/** By what a list of runs is sorted. */
import type { RunState, RunSummary } from "../../../protocol/index.ts"

export type Column = "name" | "state" | "progress" | "loss" | "score" | "says" | "started"

export interface Order {
  readonly by: Column
  readonly isDown: boolean
}

/** `isWithName`: has no column of its own where there is a table. */
export const columns: ReadonlyArray<{
  readonly name: Column
  readonly title: string
  readonly isNumber?: true
  readonly isWithName?: true
}> = [
  { name: "name", title: "Name" },
  { name: "state", title: "State" },
  { name: "progress", title: "Progress" },
  { name: "loss", title: "Loss", isNumber: true },
  { name: "score", title: "Score" },
  { name: "says", title: "What it is", isWithName: true },
  { name: "started", title: "Started" }
]

/** What is under way first. */
const states: ReadonlyArray<RunState> = ["training", "stopping", "starting", "waiting", "failed", "stopped", "finished"]

/** null: has none, and is last whichever way the others are. */
const keyOf: Readonly<Record<Column, (run: RunSummary) => string | number | null>> = {
  name: ({ name }) => name,
  state: ({ state }) => states.indexOf(state),
  progress: ({ step, steps }) => (steps > 0 ? step / steps : null),
  loss: ({ loss }) => loss,
  score: ({ headline }) => (headline === null ? null : headline.better === "higher" ? headline.value : -headline.value),
  says: ({ says }) => says,
  started: ({ startedAt }) => startedAt
}

// made once: a comparison that makes its own takes a tenth of a millisecond
const collator = new Intl.Collator(undefined, { numeric: true })

const compared = (a: string | number, b: string | number): number =>
  typeof a === "string" && typeof b === "string" ? collator.compare(a, b) : Number(a) - Number(b)

export const sorted = (runs: ReadonlyArray<RunSummary>, { by, isDown }: Order): ReadonlyArray<RunSummary> =>
  runs.toSorted((first, second) => {
    const [a, b] = [keyOf[by](first), keyOf[by](second)]
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
    return (isDown ? -1 : 1) * compared(a, b) || compared(first.id, second.id)
  })

/** The order after its column was chosen: the other way where it was chosen already; numbers that people look for begin with the largest. */
export const chosen = (before: Order, by: Column): Order =>
  before.by === by
    ? { by, isDown: !before.isDown }
    : { by, isDown: by === "score" || by === "started" || by === "progress" }
