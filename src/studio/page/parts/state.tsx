/** How a run or a study stands: a word with a sign of its own. */
import type { RunState, StudySummary } from "../../protocol/index.ts"
import "./state.css"

type State = RunState | StudySummary["state"]

const triangle = "M5 3.5v9l7-4.5z"
const arc = "M8 2.5a5.5 5.5 0 1 1-5.5 5.5"

/** In a box of 16 × 16. */
const signs: Readonly<Record<State, string>> = {
  waiting: "M8 4.5V8l2.5 1.5M13.5 8a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0",
  starting: arc,
  training: triangle,
  running: triangle,
  stopping: arc,
  stopped: "M5.5 4v8M10.5 4v8",
  finished: "M3 8.5l3.5 3.5L13 4.5",
  failed: "M4 4l8 8M12 4l-8 8"
}

export const StateOf = ({ state }: { readonly state: State }) => (
  <span class={`state ${state}`}>
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <path d={signs[state]} />
    </svg>
    {state}
  </span>
)
