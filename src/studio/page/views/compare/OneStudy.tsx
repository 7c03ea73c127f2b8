/** One study: its verdict, and its runs as they finish. */
import { useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import type { StudyEvent, StudySummary, TableOfTexts } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Confirm } from "../../parts/confirm.tsx"
import { One, withLines } from "../../parts/one.tsx"
import { Texts } from "../../parts/table.tsx"
import { focusView, goTo } from "../../place.ts"
import { useStudio, useUrl, useWatch } from "../../use.ts"
import { IntervalPlot } from "./IntervalPlot.tsx"

/** How many runs of a study have ended. */
export const StudyProgress = ({ study: { name, state, done, trials } }: { readonly study: StudySummary }) =>
  trials === 0 ? null : (
    <span class="study-progress">
      {state === "finished" ? null : (
        <progress max={trials} value={Math.min(done, trials)} aria-label={`Runs of ${name}`} />
      )}
      <span class="small quiet">
        {state === "finished" ? counted(done, "run") : `${done} of at most ${counted(trials, "run")} finished`}
      </span>
    </span>
  )

type Verdict = Extract<StudyEvent, { readonly kind: "verdict" }>

interface Seen {
  readonly summary: StudySummary | undefined
  readonly trials: TableOfTexts | undefined
  readonly verdict: Verdict | undefined
  readonly log: ReadonlyArray<string>
}

const NOTHING: Seen = { summary: undefined, trials: undefined, verdict: undefined, log: [] }

const withEvent = (before: Seen, event: StudyEvent): Seen => {
  switch (event.kind) {
    case "summary":
      return { ...before, summary: event.summary }
    case "trials":
      return { ...before, trials: event.table }
    case "verdict":
      return { ...before, verdict: event }
    case "log":
      return { ...before, log: withLines(before.log, event.lines) }
  }
}

const VerdictOf = ({
  id,
  verdict: { sentences, intervals, table, page }
}: {
  readonly id: string
  readonly verdict: Verdict
}) => {
  const url = useUrl(id, page)
  const [lead, ...more] = sentences
  return (
    <section aria-label="Verdict">
      <h3>Verdict</h3>
      {intervals === null ? null : <IntervalPlot intervals={intervals} />}
      <p class="lead">{lead}</p>
      {table.rows.length === 0 ? null : <Texts table={table} caption="Each method at its best rate, on fresh seeds" />}
      {more.map((sentence) => (
        <p key={sentence} class="small quiet">
          {sentence}
        </p>
      ))}
      {url === undefined ? null : (
        <a class="button" href={url} target="_blank" rel="noopener">
          Open the full comparison
        </a>
      )}
    </section>
  )
}

const Buttons = ({ id, state, failed, going }: ButtonsProps) => {
  const { host, about } = useStudio()
  const [isAsking, setAsking] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const act = (name: "stopStudy" | "resumeStudy" | "removeStudy", then = () => {}) => {
    setBusy(true)
    failed(undefined)
    host
      .call(name, { id })
      .then(then, (problem: HostError) => {
        going(false)
        failed(problem)
      })
      .finally(() => setBusy(false))
  }
  const remove = () => {
    going(true)
    act("removeStudy", () => {
      goTo("compare")
      focusView()
    })
  }
  if (state === "running")
    return (
      <button type="button" disabled={isBusy} onClick={() => act("stopStudy")}>
        Stop
      </button>
    )
  return (
    <span class="row">
      {state === "finished" ? null : (
        <button type="button" disabled={isBusy} onClick={() => act("resumeStudy")}>
          Resume
        </button>
      )}
      {about.abilities.includes("remove") ? (
        <button type="button" class="plain" disabled={isBusy} onClick={() => setAsking(true)}>
          Remove
        </button>
      ) : null}
      {isAsking ? (
        <Confirm
          title={`Remove ${id.split("/").at(-1)}?`}
          act="Remove"
          decide={(isAgreed) => {
            setAsking(false)
            if (isAgreed) remove()
          }}
        >
          <p>
            The folder <code>{id}</code> is deleted with everything in it: its runs, their results, the verdict and its
            log. This cannot be undone.
          </p>
          <p>Its plan and its rows are kept.</p>
        </Confirm>
      ) : null}
    </span>
  )
}

interface ButtonsProps {
  readonly id: string
  readonly state: StudySummary["state"]
  readonly failed: (problem: HostError | undefined) => void
  /** it is about to be removed, and what is watched ends with it */
  readonly going: (isGoing: boolean) => void
}

export const OneStudy = ({ id }: { readonly id: string }) => {
  const { state, problem } = useWatch("study", { id }, NOTHING, withEvent)
  const [failed, setFailed] = useState<HostError | undefined>(undefined)
  const [isGoing, setGoing] = useState(false)
  const { summary, trials, verdict, log } = state
  return (
    <One
      id={id}
      all={{ view: "compare", text: "All studies" }}
      summary={summary}
      problem={(isGoing ? undefined : problem) ?? failed}
      log={log}
      buttons={summary && <Buttons id={id} state={summary.state} failed={setFailed} going={setGoing} />}
    >
      {summary && <Standing summary={summary} />}
      {verdict && <VerdictOf id={id} verdict={verdict} />}
      {summary && (
        <section>
          <h3>Runs</h3>
          {trials === undefined || trials.rows.length === 0 ? (
            <p class="quiet">
              {summary.state === "running"
                ? "The first run starts when the plan and the rows are read."
                : "No run has started."}
            </p>
          ) : (
            <Texts table={trials} caption="Finished runs, then runs in progress" />
          )}
        </section>
      )}
    </One>
  )
}

const Standing = ({ summary }: { readonly summary: StudySummary }) => (
  <>
    <StudyProgress study={summary} />
    {summary.note === null ? null : summary.state === "failed" ? (
      <div class="trouble" role="alert">
        <p>{summary.note}</p>
      </div>
    ) : (
      <p class="quiet">{summary.note}</p>
    )}
  </>
)
