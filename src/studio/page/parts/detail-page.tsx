/** A run or a study by itself: the way back to all of them, its heading, how it stands, and at the end what its process says. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import type { RunSummary, StudySummary } from "../../protocol/index.ts"
import type { HostError } from "../host.ts"
import { addressOf } from "../place.ts"
import { saveText } from "./files.tsx"
import { Loading, Status, Trouble } from "./loading.tsx"
import { StateBadge } from "./state-badge.tsx"
import { Scrolled } from "./table.tsx"

/** More lines of a log than these are in the file alone. */
const SHOWN = 400
/** pixels from the end within which a reader is at it */
const NEAR = 24

/** What a process says: its last lines, which follow it unless the reader has scrolled up, and all of it as a file. */
const Log = ({ lines, name }: { readonly lines: ReadonlyArray<string>; readonly name: string }) => {
  const box = useRef<HTMLElement>(null)
  const [follows, setFollows] = useState(true)
  useEffect(() => {
    if (follows && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follows])
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!
    setFollows(scrollHeight - scrollTop - clientHeight < NEAR)
  }
  const hidden = lines.length - SHOWN
  return (
    <div class="log">
      <Scrolled label="Log" box={box} onScroll={scrolled}>
        <pre>
          {hidden > 0 ? `… ${hidden} lines before\n` : ""}
          {lines.slice(-SHOWN).join("\n")}
        </pre>
      </Scrolled>
      <div class="row">
        <button type="button" onClick={() => saveText(`${name}.log`, `${lines.join("\n")}\n`)}>
          Save the log
        </button>
        {follows ? null : (
          <button type="button" onClick={() => setFollows(true)}>
            Jump to the latest line
          </button>
        )}
      </div>
    </div>
  )
}

/** A page that is open for days keeps no more lines than these. */
const LINES = 20_000

/** Further lines of a log. */
export const withLines = (log: ReadonlyArray<string>, more: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...log, ...more].slice(-LINES)

interface DetailPageProps {
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

export const DetailPage = ({ id, all, summary, problem, log, buttons, children }: DetailPageProps) => {
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
            <StateBadge state={summary.state} />
            {buttons}
          </div>
          <Status>
            {summary.name}: {summary.state}
          </Status>
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
