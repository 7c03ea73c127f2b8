/** Asks before a run is removed, and says what goes with it and what stays. */
import type { RunSummary } from "../../../protocol/index.ts"
import { Confirm } from "../../parts/confirm.tsx"
import type { Doing } from "./standing.tsx"

export const Removal = ({ doing, removed }: { readonly doing: Doing; readonly removed: (run: RunSummary) => void }) => {
  const run = doing.toRemove
  if (run === undefined) return null
  const { id, name, state } = run
  return (
    <Confirm
      key={id}
      title={`Remove ${name}?`}
      act="Remove"
      answered={(isAgreed) => {
        doing.askToRemove(undefined)
        if (isAgreed) doing.remove(id, () => removed(run))
      }}
    >
      <p>
        {state === "waiting" ? "It is taken from the queue. " : ""}
        The folder <code>{id}</code> goes with everything in it: adapter, checkpoints, curves and report, as far as they
        are there. Its log goes too. This cannot be undone.
      </p>
      <p>Its rows, the plan file that it was started with, and its exports stay.</p>
    </Confirm>
  )
}
