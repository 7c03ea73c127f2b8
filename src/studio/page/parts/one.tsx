/** A run or a study by itself: the way back to all of them, its heading, how it stands, and at the end what its process says. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import type { RunState, RunSummary, StudySummary } from "../../protocol/index.ts"
import type { HostError } from "../host.ts"
import { addressOf } from "../place.ts"
import { Loading, Trouble } from "./asked.tsx"
import { Scrolled } from "./table.tsx"

/** What the page has, as a file of the reader's. */
export const saveText = (name: string, text: string): void => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }))
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

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

type State = RunState | StudySummary["state"]

const triangle = "M5 3.5v9l7-4.5z"
const arc = "M8 2.5a5.5 5.5 0 1 1-5.5 5.5"

/** In a box of 16 × 16. */
const signs: Readonly<Record<State, string>> = {
  waiting: "M8 4.5V8l2.5 1.5M13.5 8a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0",
  starting: arc,
  training: triangle,
  running: triangle,
  stopping: arc,
  stopped: "M5.5 4v8M10.5 4v8",
  finished: "M3 8.5l3.5 3.5L13 4.5",
  failed: "M4 4l8 8M12 4l-8 8"
}

const tones: Readonly<Record<State, string>> = {
  waiting: "warn",
  starting: "tint",
  training: "tint",
  running: "tint",
  stopping: "warn",
  stopped: "warn",
  finished: "good",
  failed: "wrong"
}

/** The state of a run or a study: a word with a sign of its own. */
export const StateOf = ({ state }: { readonly state: State }) => (
  <span class={`state badge ${tones[state]} ${state}`}>
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <path d={signs[state]} />
    </svg>
    {state}
  </span>
)

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
