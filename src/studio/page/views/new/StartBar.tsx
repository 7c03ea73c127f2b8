/** The state of the plan, the run's name, and the button that starts it. Always visible. */

import { counted } from "../../../../boundary/index.ts"
import type { Checked } from "../../../protocol/index.ts"
import { Trouble } from "../../parts/loading.tsx"
import { goTo } from "../../place.ts"
import { useAction } from "../../use.ts"
import { type Draft, keep } from "./draft.ts"

interface StartBarProps {
  readonly draft: Draft
  /** of the current plan; undefined while it is checked */
  readonly checked: Checked | undefined
  readonly isBroken: boolean
  /** estimated time of the current plan; null: unknown */
  readonly time: string | null
  readonly rename: (name: string) => void
  readonly showProblems: () => void
}

const statusOf = ({ checked, isBroken, time }: StartBarProps): string => {
  if (isBroken) return "The plan is not valid JSON."
  if (checked === undefined) return "Checking the plan …"
  if (!checked.ok) return `${counted(checked.problems.length, "problem")} to fix.`
  return `Ready: ${counted(checked.steps, "step")}${time === null ? "" : `, ${time}`}.`
}

export const StartBar = (props: StartBarProps) => {
  const { draft, checked, isBroken, rename, showProblems } = props
  const { busy, problem, act } = useAction()
  const isStarting = busy !== undefined
  const canStart = checked?.ok === true && !isBroken && !isStarting && draft.name.trim() !== ""
  const start = () => {
    if (draft.plan === null) return
    act("start", { name: draft.name.trim(), plan: draft.plan }, ({ id }) => {
      keep(null)
      goTo("runs", id)
    })
  }
  return (
    <section class="start" aria-label="Start">
      <Trouble problem={problem} />
      <div class="row">
        <p role="status" class={checked?.ok === false || isBroken ? "status wrong" : "status"}>
          {isStarting ? "Starting the run …" : statusOf(props)}
        </p>
        {checked?.ok === false && !isBroken ? (
          <button type="button" class="plain" onClick={showProblems}>
            Show
          </button>
        ) : null}
        <label class="name">
          <span>Name</span>
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={draft.name}
            onInput={({ currentTarget }) => rename(currentTarget.value)}
          />
        </label>
        <button type="button" class="primary" disabled={!canStart} onClick={start}>
          Train
        </button>
      </div>
    </section>
  )
}
