/** One run: how it goes while it goes, and what it left. */
import type { Plot, RunEvent, RunSummary } from "../../../protocol/index.ts"
import { Loading, Trouble } from "../../parts/asked.tsx"
import { Chart } from "../../parts/chart.tsx"
import { One, withLines } from "../../parts/one.tsx"
import { focusView, goTo } from "../../place.ts"
import { useCall, useWatch } from "../../use.ts"
import { Result } from "./Result.tsx"
import { Buttons, loss, ProgressOf, Removal, useDoing, when } from "./standing.tsx"

interface Seen {
  readonly summary: RunSummary | undefined
  readonly plots: ReadonlyArray<Plot>
  readonly log: ReadonlyArray<string>
}

const NOTHING: Seen = { summary: undefined, plots: [], log: [] }

const seen = (before: Seen, event: RunEvent): Seen =>
  event.kind === "summary"
    ? { ...before, summary: event.summary }
    : event.kind === "plots"
      ? { ...before, plots: event.plots }
      : { ...before, log: withLines(before.log, event.lines) }

export const OneRun = ({ id }: { readonly id: string }) => {
  const { state, problem } = useWatch("run", { id }, NOTHING, seen)
  const { summary, plots, log } = state
  const doing = useDoing()
  const removed = () => {
    goTo("runs")
    focusView()
  }
  // what is watched ends with its removal, which is nothing wrong
  const seenProblem = doing.busy === `remove ${id}` ? undefined : problem
  return (
    <One
      id={id}
      all={{ view: "runs", text: "All runs" }}
      summary={summary}
      problem={seenProblem ?? doing.problem}
      log={log}
      buttons={summary && <Buttons summary={summary} doing={doing} hasNext={false} />}
    >
      <Removal doing={doing} removed={removed} />
      {summary && <Standing summary={summary} />}
      {summary?.state === "finished" ? <Reached id={id} plots={plots} /> : summary && <Curves plots={plots} />}
    </One>
  )
}

const Standing = ({ summary }: { readonly summary: RunSummary }) => (
  <>
    <p class="quiet">{summary.says}</p>
    {summary.state === "failed" ? (
      <div class="trouble" role="alert">
        <p>{summary.note ?? "It ended before its end, and did not say why."}</p>
        <p>What it had saved is kept: “Resume” goes on from there.</p>
      </div>
    ) : (
      summary.note !== null && <p class="quiet">{summary.note}</p>
    )}
    <div class="row standing">
      <ProgressOf summary={summary} />
      <span>loss {loss(summary.loss)}</span>
      {summary.score === null ? null : <span>{summary.score}</span>}
      <span class="quiet">started {when(summary.startedAt)}</span>
    </div>
  </>
)

/** What a finished run left. */
const Reached = ({ id, plots }: { readonly id: string; readonly plots: ReadonlyArray<Plot> }) => {
  const { value, problem, doing, again } = useCall("result", { id })
  if (problem !== undefined) return <Trouble problem={problem} again={again} />
  if (value === undefined) return <Loading what="What it reached" doing={doing} />
  return (
    <Result id={id} result={value}>
      <Curves plots={plots} />
    </Result>
  )
}

const Curves = ({ plots }: { readonly plots: ReadonlyArray<Plot> }) => (
  <section aria-label="Curves">
    <h3>Curves</h3>
    {plots.length === 0 ? (
      <p class="quiet">They begin with the first step.</p>
    ) : (
      <div class="grid">
        {plots.map((plot) => (
          <Chart key={plot.id} plot={plot} />
        ))}
      </div>
    )}
  </section>
)
