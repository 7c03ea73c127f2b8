/** A finished run to choose: the newest where the address names none. */
import type { ComponentChildren } from "preact"
import { addressOf, goTo } from "../place.ts"
import { useCall } from "../use.ts"
import { Loading, Trouble } from "./asked.tsx"
import { Select } from "./fields.tsx"

interface RunChoiceProps {
  /** the view's name in the address */
  readonly view: string
  /** of the address */
  readonly id: string | undefined
  /** what is shown of the run */
  readonly children: (id: string) => ComponentChildren
}

export const RunChoice = ({ view, id, children }: RunChoiceProps) => {
  const { value: runs, problem, again } = useCall("runs", {})
  if (problem !== undefined) return <Trouble problem={problem} again={again} />
  if (runs === undefined) return <Loading what="Runs" />
  const finished = runs.filter(({ state }) => state === "finished")
  const chosen = id ?? finished[0]?.id
  if (chosen === undefined) {
    return (
      <div class="empty card">
        <p>No run has finished yet. Finished runs appear here.</p>
        <a class="button primary" href={addressOf("new")}>
          Start a run
        </a>
      </div>
    )
  }
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
