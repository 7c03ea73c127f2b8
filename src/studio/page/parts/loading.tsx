/** What is asked of the host, as it is shown: on its way, with what is done for it meanwhile; gone wrong; answered. */
import type { ComponentChildren } from "preact"
import { useEffect, useState } from "preact/hooks"
import { wholeNumber } from "../../../boundary/index.ts"
import type { Doing } from "../../protocol/index.ts"
import type { HostError } from "../host.ts"
import type { CallState } from "../use.ts"

const SOON = 250 // milliseconds

interface LoadingProps {
  readonly what: string
  /** what the host does for it, where it says so */
  readonly doing?: Doing | undefined
}

export const Loading = ({ what, doing }: LoadingProps) => {
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), SOON)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div class="loading">
      <p role="status">{isLate ? `${what}: ${doing?.what ?? "one moment"} …` : ""}</p>
      {isLate && doing !== undefined ? <Share doing={doing} /> : null}
    </div>
  )
}

const Share = ({ doing: { what, done, of, unit = "", isKept } }: { readonly doing: Doing }) => (
  <>
    {done === undefined || of === undefined ? null : (
      <div class="share">
        <progress aria-label={what} max={Math.max(1, of)} value={of === 0 ? 1 : done} />
        <span>
          {wholeNumber(done)} of {wholeNumber(of)} {unit}
        </span>
      </div>
    )}
    {isKept === true ? (
      <p class="small">You can leave this page: the download continues from here the next time.</p>
    ) : null}
  </>
)

/** What went wrong, and a way to try again. */
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

interface PendingProps {
  readonly call: Pick<CallState<unknown>, "value" | "problem" | "doing" | "again">
  readonly what: string
}

/** What is shown of a call without an answer; nothing once it has one. */
export const Pending = ({ call: { value, problem, doing, again }, what }: PendingProps) =>
  problem !== undefined ? (
    <Trouble problem={problem} again={again} />
  ) : value === undefined ? (
    <Loading what={what} doing={doing} />
  ) : null

/** A message for screen readers only. */
export const Status = ({ children }: { readonly children: ComponentChildren }) => (
  <p class="hidden" role="status">
    {children}
  </p>
)
