/** How many runs of a study have ended. */
import type { StudySummary } from "../../../protocol/index.ts"

export const StudyProgress = ({ study: { name, done, trials } }: { readonly study: StudySummary }) =>
  trials === 0 ? null : (
    <span class="study-progress">
      <progress max={trials} value={Math.min(done, trials)} aria-label={`Runs of ${name}`} />
      <span class="small quiet">
        {done} of at most {trials} runs ended
      </span>
    </span>
  )
