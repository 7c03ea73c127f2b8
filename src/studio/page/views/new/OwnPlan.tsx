/** A way on without a suggestion: a plan of one's own, begun by the host with what is known of it. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { Input, OutlinedPlan } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Trouble } from "../../parts/trouble.tsx"
import { useStudio } from "../../use.ts"

interface OwnPlanProps {
  readonly label: string
  /** what is known of it */
  readonly known: Input<"outline">
  readonly take: (outlined: OutlinedPlan) => void
}

export const OwnPlan = ({ label, known, take }: OwnPlanProps) => {
  const { host } = useStudio()
  const [problem, setProblem] = useState<HostError>()
  const stop = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => stop.current?.abort(), [])
  const begin = () => {
    stop.current?.abort()
    const own = new AbortController()
    stop.current = own
    setProblem(undefined)
    host.call("outline", known, { signal: own.signal }).then(
      (outlined) => {
        if (!own.signal.aborted) take(outlined)
      },
      (failed: HostError) => {
        if (!own.signal.aborted) setProblem(failed)
      }
    )
  }
  return (
    <div class="own-plan">
      <button type="button" class="plain" onClick={begin}>
        {label}
      </button>
      <Trouble problem={problem} />
    </div>
  )
}
