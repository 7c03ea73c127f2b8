/** One run: how it goes while it goes, and what it left. */
import { useEffect, useRef } from "preact/hooks"
import type { Plot, RunEvent, RunSummary } from "../../../protocol/index.ts"
import { Chart } from "../../parts/chart.tsx"
import { Loading } from "../../parts/loading.tsx"
import { Log } from "../../parts/log.tsx"
import { StateOf } from "../../parts/state.tsx"
import { Trouble } from "../../parts/trouble.tsx"
import { addressOf, goTo } from "../../place.ts"
import { useCall, useWatch } from "../../use.ts"
import { Result } from "./Result.tsx"
import { Buttons, loss, ProgressOf, useDoing, when } from "./standing.tsx"

interface Seen {
  readonly summary: RunSummary | undefined
  readonly plots: ReadonlyArray<Plot>
  readonly log: ReadonlyArray<string>
}

const NOTHING: Seen = { summary: undefined, plots: [], log: [] }
/** A page that is open for days keeps no more than these. */
const LINES = 20_000

const seen = (before: Seen, event: RunEvent): Seen =>
  event.kind === "summary"
    ? { ...before, summary: event.summary }
    : event.kind === "plots"
      ? { ...before, plots: event.plots }
      : { ...before, log: [...before.log, ...event.lines].slice(-LINES) }

export const OneRun = ({ id }: { readonly id: string }) => {
  const { state, problem } = useWatch("run", { id }, NOTHING, seen)
  const { summary, plots, log } = state
  const isFinished = summary?.state === "finished"
  const result = useCall("result", isFinished ? { id } : undefined)
  const doing = useDoing()
  const heading = useRef<HTMLHeadingElement>(null)
  const isThere = summary !== undefined
  useEffect(() => heading.current?.focus(), [isThere])
  const back = (
    <p>
      <a href={addressOf("runs")}>All runs</a>
    </p>
  )
  if (summary === undefined)
    return (
      <>
        {back}
        {problem === undefined ? <Loading what={id} /> : <Trouble problem={problem} />}
      </>
    )
  const { name, says, note } = summary
  return (
    <article class="run">
      {back}
      <div class="head">
        <h2 ref={heading} tabIndex={-1}>
          {name}
        </h2>
        <StateOf state={summary.state} />
        <Buttons summary={summary} doing={doing} hasNext={false} removed={() => goTo("runs")} />
      </div>
      <p class="hidden" role="status">
        {name}: {summary.state}
      </p>
      <p class="quiet">{says}</p>
      <Trouble problem={problem ?? doing.problem} />
      {summary.state === "failed" ? (
        <div class="trouble" role="alert">
          <p>{note ?? "It ended before its end, and did not say why."}</p>
          <p>What it had saved is kept: “Resume” goes on from there.</p>
        </div>
      ) : note === null ? null : (
        <p class="quiet">{note}</p>
      )}
      <div class="row standing">
        <ProgressOf summary={summary} />
        <span>loss {loss(summary.loss)}</span>
        {summary.score === null ? null : <span>{summary.score}</span>}
        <span class="quiet">started {when(summary.startedAt)}</span>
      </div>
      {isFinished ? (
        result.value === undefined ? (
          result.problem === undefined ? (
            <Loading what="What it reached" />
          ) : (
            <Trouble problem={result.problem} again={result.again} />
          )
        ) : (
          <Result id={id} result={result.value}>
            <Curves plots={plots} />
          </Result>
        )
      ) : (
        <Curves plots={plots} />
      )}
      {log.length === 0 ? null : (
        <section>
          <h3>Log</h3>
          <Log lines={log} name={name} />
        </section>
      )}
    </article>
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
