/** Which runs a list shows, in which order and groups. */
import type { RunState, RunSummary } from "../../../protocol/index.ts"

/** A column of every list, or the name of a hyperparameter. */
export type Column = string

export interface Order {
  readonly by: Column
  readonly isDown: boolean
}

/** What is under way first. */
const states: ReadonlyArray<RunState> = ["training", "stopping", "starting", "waiting", "failed", "stopped", "finished"]

type Key = string | number | null

const scoreOf = ({ headline }: RunSummary): Key =>
  headline === null ? null : headline.better === "higher" ? headline.value : -headline.value

interface ColumnOfRuns {
  readonly name: Column
  readonly title: string
  /** what it is sorted by; null: has none, and is last whichever way the others are */
  readonly keyOf: (run: RunSummary) => Key
  readonly isNumber?: true
  /** numbers that people look for begin with the largest */
  readonly isDown?: true
  /** has no column of its own where there is a table */
  readonly isWithName?: true
}

export const columns: ReadonlyArray<ColumnOfRuns> = [
  { name: "name", title: "Name", keyOf: ({ name }) => name },
  { name: "state", title: "State", keyOf: ({ state }) => states.indexOf(state) },
  { name: "progress", title: "Progress", keyOf: ({ step, steps }) => (steps > 0 ? step / steps : null), isDown: true },
  { name: "loss", title: "Loss", keyOf: ({ loss }) => loss, isNumber: true },
  { name: "score", title: "Score", keyOf: scoreOf, isDown: true },
  { name: "says", title: "Method", keyOf: ({ says }) => says, isWithName: true },
  { name: "started", title: "Started", keyOf: ({ startedAt }) => startedAt, isDown: true }
]

const columnNamed = (by: Column): ColumnOfRuns | undefined => columns.find(({ name }) => name === by)

/** What gives a run's place in the order of a column. */
const keyBy = (by: Column): ColumnOfRuns["keyOf"] =>
  columnNamed(by)?.keyOf ?? (({ hyperparameters }) => hyperparameters[by] ?? null)

// made once: a comparison that makes its own takes a tenth of a millisecond
const collator = new Intl.Collator(undefined, { numeric: true })

const compared = (a: string | number, b: string | number): number =>
  typeof a === "string" && typeof b === "string" ? collator.compare(a, b) : Number(a) - Number(b)

export const sorted = (runs: ReadonlyArray<RunSummary>, { by, isDown }: Order): ReadonlyArray<RunSummary> => {
  const keyOf = keyBy(by)
  return runs.toSorted((first, second) => {
    const [a, b] = [keyOf(first), keyOf(second)]
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
    return (isDown ? -1 : 1) * compared(a, b) || compared(first.id, second.id)
  })
}

/** The order after its column was chosen: the other way where it was chosen already. */
export const chosen = (before: Order, by: Column): Order => ({
  by,
  isDown: before.by === by ? !before.isDown : columnNamed(by)?.isDown === true
})

const isUnder =
  (...states: ReadonlyArray<RunState>) =>
  ({ state, archived }: RunSummary): boolean =>
    !archived && states.includes(state)

/** Which runs are shown, by what this is called. */
export const filters: ReadonlyArray<readonly [name: string, isShown: (run: RunSummary) => boolean]> = [
  ["All", ({ archived }) => !archived],
  ["In progress", isUnder("waiting", "starting", "training", "stopping")],
  ["Finished", isUnder("finished")],
  ["Stopped or failed", isUnder("stopped", "failed")],
  ["Archived", ({ archived }) => archived]
]

/** The runs of a filter that have every word of the text in their name, state, hyperparameters or notes. */
export const matching = (runs: ReadonlyArray<RunSummary>, text: string, filter: string): ReadonlyArray<RunSummary> => {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
  const isShown = filters.find(([name]) => name === filter)?.[1] ?? filters[0]![1]
  return runs.filter((run) => {
    if (!isShown(run)) return false
    if (words.length === 0) return true
    const { name, says, state, comment, hyperparameters } = run
    const all = [name, says, state, comment, ...Object.values(hyperparameters)].join(" ").toLowerCase()
    return words.every((word) => all.includes(word))
  })
}

/** The names of the hyperparameters that any of the runs has. */
export const hyperparameterNames = (runs: ReadonlyArray<RunSummary>): ReadonlyArray<string> => [
  ...new Set(runs.flatMap(({ hyperparameters }) => Object.keys(hyperparameters)))
]

/** Groups of runs with the same hyperparameter, in the order of their first runs; one without a name unless grouped. */
export const grouped = (
  runs: ReadonlyArray<RunSummary>,
  by: string
): ReadonlyArray<readonly [name: string, runs: ReadonlyArray<RunSummary>]> =>
  by === "" ? [["", runs]] : [...Map.groupBy(runs, (run) => `${run.hyperparameters[by] ?? "–"}`)]
