/** What went wrong, and a way to try again. */
import type { HostError } from "../host.ts"

interface TroubleProps {
  readonly problem: Pick<HostError, "message"> | undefined
  readonly again?: (() => void) | undefined
}

export const Trouble = ({ problem, again }: TroubleProps) =>
  problem === undefined ? null : (
    <div class="trouble" role="alert">
      <p>{problem.message}</p>
      {again === undefined ? null : (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  )
