/** What a folder brings for which the studio changes nothing in it, and the button by which its user trusts it. */
import { useState } from "preact/hooks"
import type { HostError } from "../host.ts"
import { useStudio } from "../use.ts"
import { Trouble } from "./trouble.tsx"

export const Trust = () => {
  const { host, about } = useStudio()
  const [doubts, setDoubts] = useState(about.doubts)
  const [problem, setProblem] = useState<HostError>()
  if (doubts.length === 0) return null
  const trust = () =>
    host.call("trust", {}).then(
      () => setDoubts([]),
      (failed: HostError) => setProblem(failed)
    )
  return (
    <section class="trust" aria-label="Trust">
      <p>
        This folder is open read-only. You can look at its runs, but nothing is started, stopped or removed. It brings:
      </p>
      <ul>
        {doubts.map((doubt) => (
          <li key={doubt}>{doubt}</li>
        ))}
      </ul>
      <button type="button" onClick={trust}>
        Trust this folder
      </button>
      <Trouble problem={problem} />
    </section>
  )
}
