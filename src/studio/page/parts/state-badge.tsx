/** The state of a run or a study: a word with a sign of its own. */
import type { RunState, StudySummary } from "../../protocol/index.ts"

type State = RunState | StudySummary["state"]

const triangle = "M5 3.5v9l7-4.5z"
const arc = "M8 2.5a5.5 5.5 0 1 1-5.5 5.5"

/** Each with its colour and its sign, a path in a box of 16 × 16. */
const states: Readonly<Record<State, readonly [tone: string, sign: string]>> = {
  waiting: ["warn", "M8 4.5V8l2.5 1.5M13.5 8a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0"],
  starting: ["tint", arc],
  training: ["tint", triangle],
  running: ["tint", triangle],
  stopping: ["warn", arc],
  stopped: ["warn", "M5.5 4v8M10.5 4v8"],
  finished: ["good", "M3 8.5l3.5 3.5L13 4.5"],
  failed: ["wrong", "M4 4l8 8M12 4l-8 8"]
}

export const StateBadge = ({ state }: { readonly state: State }) => (
  <span class={`state badge ${states[state][0]} ${state}`}>
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <path d={states[state][1]} />
    </svg>
    {state}
  </span>
)
