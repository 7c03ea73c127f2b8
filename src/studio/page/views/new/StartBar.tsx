/** The state of the plan, the run's name, and the button that starts it. Always visible. */

import { useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import type { Checked } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Trouble } from "../../parts/asked.tsx"
import { goTo } from "../../place.ts"
import { useStudio } from "../../use.ts"
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
  const steps = checked.ok ? counted(checked.steps, "step") : ""
  if (checked.ok) return time === null ? `Ready: ${steps}.` : `Ready: ${steps}, ${time}.`
  return `${counted(checked.problems.length, "problem")} to fix.`
}

export const StartBar = (props: StartBarProps) => {
  const { draft, checked, isBroken, rename, showProblems } = props
  const { host } = useStudio()
  const [isStarting, setStarting] = useState(false)
  const [problem, setProblem] = useState<HostError>()
  const canStart = checked?.ok === true && !isBroken && !isStarting && draft.name.trim() !== ""
  const start = async () => {
    if (draft.plan === null) return
    setStarting(true)
    setProblem(undefined)
    try {
      const { id } = await host.call("start", { name: draft.name.trim(), plan: draft.plan })
      keep(null)
      goTo("runs", id)
    } catch (error) {
      setProblem(error as HostError)
      setStarting(false)
    }
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
