/** One study: its runs as they end, and what they come to. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { StudyEvent, StudySummary, TableOfTexts } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Loading } from "../../parts/loading.tsx"
import { Log } from "../../parts/log.tsx"
import { StateOf } from "../../parts/state.tsx"
import { Texts } from "../../parts/table.tsx"
import { Trouble } from "../../parts/trouble.tsx"
import { useUrl } from "../../parts/url.ts"
import { addressOf } from "../../place.ts"
import { useStudio, useWatch } from "../../use.ts"
import { StudyProgress } from "./progress.tsx"

type Verdict = Extract<StudyEvent, { readonly kind: "verdict" }>

interface Seen {
  readonly summary: StudySummary | undefined
  readonly trials: TableOfTexts | undefined
  readonly verdict: Verdict | undefined
  readonly log: ReadonlyArray<string>
}

const NOTHING: Seen = { summary: undefined, trials: undefined, verdict: undefined, log: [] }
/** A page that is open for days keeps no more than these. */
const LINES = 20_000

const seen = (before: Seen, event: StudyEvent): Seen => {
  switch (event.kind) {
    case "summary":
      return { ...before, summary: event.summary }
    case "trials":
      return { ...before, trials: event.table }
    case "verdict":
      return { ...before, verdict: event }
    case "log":
      return { ...before, log: [...before.log, ...event.lines].slice(-LINES) }
  }
}

const VerdictOf = ({ id, verdict: { sentences, table, page } }: { readonly id: string; readonly verdict: Verdict }) => {
  const url = useUrl(id, page)
  const [lead, ...more] = sentences
  return (
    <section aria-label="Verdict">
      <h3>Verdict</h3>
      <p class="lead">{lead}</p>
      {table.rows.length === 0 ? null : <Texts table={table} caption="Each method at its best rate, on fresh seeds" />}
      {more.map((sentence) => (
        <p key={sentence} class="small quiet">
          {sentence}
        </p>
      ))}
      {url === undefined ? null : (
        <a class="button" href={url} target="_blank" rel="noopener">
          The whole comparison, in a new tab
        </a>
      )}
    </section>
  )
}

export const OneStudy = ({ id }: { readonly id: string }) => {
  const { host } = useStudio()
  const { state, problem } = useWatch("study", { id }, NOTHING, seen)
  const [failed, setFailed] = useState<HostError | undefined>(undefined)
  const [isBusy, setBusy] = useState(false)
  const { summary, trials, verdict, log } = state
  const heading = useRef<HTMLHeadingElement>(null)
  const isThere = summary !== undefined
  useEffect(() => heading.current?.focus(), [isThere])
  const back = (
    <p>
      <a href={addressOf("compare")}>All studies</a>
    </p>
  )
  if (summary === undefined)
    return (
      <>
        {back}
        {problem === undefined ? <Loading what={id} /> : <Trouble problem={problem} />}
      </>
    )
  const act = (name: "stopStudy" | "resumeStudy") => {
    setBusy(true)
    setFailed(undefined)
    host
      .call(name, { id })
      .catch(setFailed)
      .finally(() => setBusy(false))
  }
  const { name, note } = summary
  return (
    <article class="study">
      {back}
      <div class="head">
        <h2 ref={heading} tabIndex={-1}>
          {name}
        </h2>
        <StateOf state={summary.state} />
        {summary.state === "running" ? (
          <button type="button" disabled={isBusy} onClick={() => act("stopStudy")}>
            Stop
          </button>
        ) : summary.state === "finished" ? null : (
          <button type="button" disabled={isBusy} onClick={() => act("resumeStudy")}>
            Go on
          </button>
        )}
      </div>
      <p class="hidden" role="status">
        {name}: {summary.state}
      </p>
      <StudyProgress study={summary} />
      <Trouble problem={problem ?? failed} />
      {note === null ? null : summary.state === "failed" ? (
        <div class="trouble" role="alert">
          <p>{note}</p>
        </div>
      ) : (
        <p class="quiet">{note}</p>
      )}
      {verdict === undefined ? null : <VerdictOf id={id} verdict={verdict} />}
      <section>
        <h3>Runs</h3>
        {trials === undefined || trials.rows.length === 0 ? (
          <p class="quiet">
            {summary.state === "running" ? "They begin when plan and rows are read." : "None has begun."}
          </p>
        ) : (
          <Texts table={trials} caption="Those that ended, in their order, then those that run" />
        )}
      </section>
      {log.length === 0 ? null : (
        <section>
          <h3>Log</h3>
          <Log lines={log} name={name} />
        </section>
      )}
    </article>
  )
}
