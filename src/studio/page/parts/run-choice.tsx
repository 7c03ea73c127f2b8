/** A finished run to choose: the newest where the address names none. */
import type { ComponentChildren } from "preact"
import { goTo } from "../place.ts"
import { useCall } from "../use.ts"
import { Select } from "./fields.tsx"
import { Pending } from "./loading.tsx"
import { StartRun } from "./start-run.tsx"

interface RunChoiceProps {
  /** the view's name in the address */
  readonly view: string
  /** of the address */
  readonly id: string | undefined
  /** what is shown of the run */
  readonly children: (id: string) => ComponentChildren
}

export const RunChoice = ({ view, id, children }: RunChoiceProps) => {
  const runs = useCall("runs", {})
  if (runs.value === undefined) return <Pending call={runs} what="Runs" />
  const finished = runs.value.filter(({ state }) => state === "finished")
  const chosen = id ?? finished[0]?.id
  if (chosen === undefined) return <StartRun>No run has finished yet. Finished runs appear here.</StartRun>
  const isKnown = finished.some((run) => run.id === chosen)
  return (
    <>
      <div class="run-choice">
        <label for="run-choice">Run</label>
        <Select
          id="run-choice"
          value={chosen}
          choose={(run) => goTo(view, run)}
          options={finished.map(({ id, name, says }) => [id, `${name} — ${says}`])}
        >
          {isKnown ? null : <option value={chosen}>{chosen}</option>}
        </Select>
      </div>
      {children(chosen)}
    </>
  )
}
