/** A run or a study by itself: the way back to all of them, its heading, how it stands, and at the end what its process says. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import type { RunSummary, StudySummary } from "../../protocol/index.ts"
import type { HostError } from "../host.ts"
import { addressOf } from "../place.ts"
import { Loading } from "./loading.tsx"
import { Log } from "./log.tsx"
import { StateOf } from "./state.tsx"
import { Trouble } from "./trouble.tsx"
import "./one.css"

/** A page that is open for days keeps no more lines than these. */
const LINES = 20_000

/** Further lines of a log. */
export const withLines = (log: ReadonlyArray<string>, more: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...log, ...more].slice(-LINES)

interface OneProps {
  readonly id: string
  /** the view that lists all of them, and what the way back to it is called */
  readonly all: { readonly view: string; readonly text: string }
  /** undefined: it is on its way */
  readonly summary: Pick<RunSummary | StudySummary, "name" | "state"> | undefined
  readonly problem: HostError | undefined
  readonly log: ReadonlyArray<string>
  /** what can be done with it */
  readonly buttons: ComponentChildren
  readonly children: ComponentChildren
}

export const One = ({ id, all, summary, problem, log, buttons, children }: OneProps) => {
  const heading = useRef<HTMLHeadingElement>(null)
  const isThere = summary !== undefined
  useEffect(() => heading.current?.focus(), [isThere])
  return (
    <article class="one">
      <p>
        <a href={addressOf(all.view)}>{all.text}</a>
      </p>
      {summary === undefined ? (
        problem === undefined && <Loading what={id} />
      ) : (
        <>
          <div class="head">
            <h2 ref={heading} tabIndex={-1}>
              {summary.name}
            </h2>
            <StateOf state={summary.state} />
            {buttons}
          </div>
          <p class="hidden" role="status">
            {summary.name}: {summary.state}
          </p>
        </>
      )}
      <Trouble problem={problem} />
      {children}
      {summary === undefined || log.length === 0 ? null : (
        <section>
          <h3>Log</h3>
          <Log lines={log} name={summary.name} />
        </section>
      )}
    </article>
  )
}
