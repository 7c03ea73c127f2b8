/** One study: its verdict, and its runs as they finish. */
import { useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import type { StudyEvent, StudySummary, TableOfTexts } from "../../../protocol/index.ts"
import { ConfirmRemoval } from "../../parts/confirm.tsx"
import { DetailPage, withLines } from "../../parts/detail-page.tsx"
import { Trouble } from "../../parts/loading.tsx"
import { Texts } from "../../parts/table.tsx"
import { focusView, goTo } from "../../place.ts"
import { type Action, useAction, useStudio, useUrl, useWatch } from "../../use.ts"
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

interface ButtonsProps extends Pick<StudySummary, "id" | "state"> {
  readonly action: Action
}

const Buttons = ({ id, state, action: { busy, act } }: ButtonsProps) => {
  const { about } = useStudio()
  const [isAsking, setAsking] = useState(false)
  const isBusy = busy !== undefined
  const remove = () =>
    act("removeStudy", { id }, () => {
      goTo("compare")
      focusView()
    })
  if (state === "running")
    return (
      <button type="button" disabled={isBusy} onClick={() => act("stopStudy", { id })}>
        Stop
      </button>
    )
  return (
    <span class="row">
      {state === "finished" ? null : (
        <button type="button" disabled={isBusy} onClick={() => act("resumeStudy", { id })}>
          Resume
        </button>
      )}
      {about.abilities.includes("remove") ? (
        <button type="button" class="plain" disabled={isBusy} onClick={() => setAsking(true)}>
          Remove
        </button>
      ) : null}
      {isAsking ? (
        <ConfirmRemoval name={id.split("/").at(-1)!} close={() => setAsking(false)} remove={remove}>
          <p>
            The folder <code>{id}</code> is deleted with everything in it: its runs, their results, the verdict and its
            log. This cannot be undone.
          </p>
          <p>Its plan and its rows are kept.</p>
        </ConfirmRemoval>
      ) : null}
    </span>
  )
}

export const OneStudy = ({ id }: { readonly id: string }) => {
  const { state, problem } = useWatch("study", { id }, NOTHING, withEvent)
  const action = useAction()
  const { summary, trials, verdict, log } = state
  return (
    <DetailPage
      id={id}
      all={{ view: "compare", text: "All studies" }}
      summary={summary}
      // what is watched ends with its removal, which is nothing wrong
      problem={(action.busy?.name === "removeStudy" ? undefined : problem) ?? action.problem}
      log={log}
      buttons={summary && <Buttons id={id} state={summary.state} action={action} />}
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
    </DetailPage>
  )
}

const Standing = ({ summary }: { readonly summary: StudySummary }) => (
  <>
    <StudyProgress study={summary} />
    {summary.note === null ? null : summary.state === "failed" ? (
      <Trouble problem={{ message: summary.note }} />
    ) : (
      <p class="quiet">{summary.note}</p>
    )}
  </>
)
