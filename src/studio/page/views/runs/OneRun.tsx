/** One run: its progress while it trains, then what it gained and left. */
import type { ComponentChildren } from "preact"
import { capital, score as lossText, roughDuration, wholeNumber } from "../../../../boundary/index.ts"
import type { Plot, RunEvent, RunState, RunSummary } from "../../../protocol/index.ts"
import { Chart, ChartTools, useChartView } from "../../parts/chart.tsx"
import { DetailPage, withLines } from "../../parts/detail-page.tsx"
import { Pending } from "../../parts/loading.tsx"
import { Values } from "../../parts/table.tsx"
import { focusView, goTo } from "../../place.ts"
import { useAction, useCall, useWatch } from "../../use.ts"
import { Notes } from "./Notes.tsx"
import { Result } from "./Result.tsx"
import { Buttons, hyperparameter, isUnderWay, when } from "./standing.tsx"

interface Seen {
  readonly summary: RunSummary | undefined
  readonly plots: ReadonlyArray<Plot>
  readonly log: ReadonlyArray<string>
}

const NOTHING: Seen = { summary: undefined, plots: [], log: [] }

const withEvent = (before: Seen, event: RunEvent): Seen =>
  event.kind === "summary"
    ? { ...before, summary: event.summary }
    : event.kind === "plots"
      ? { ...before, plots: event.plots }
      : { ...before, log: withLines(before.log, event.lines) }

export const OneRun = ({ id }: { readonly id: string }) => {
  const { state, problem } = useWatch("run", { id }, NOTHING, withEvent)
  const { summary, plots, log } = state
  const action = useAction()
  const removed = () => {
    goTo("runs")
    focusView()
  }
  // what is watched ends with its removal, which is nothing wrong
  const seenProblem = action.busy?.name === "remove" ? undefined : problem
  return (
    <DetailPage
      id={id}
      all={{ view: "runs", text: "All runs" }}
      summary={summary}
      problem={seenProblem ?? action.problem}
      log={log}
      buttons={summary && <Buttons summary={summary} action={action} removed={removed} hasNext={false} />}
    >
      {summary && <Standing summary={summary} />}
      {summary === undefined ? null : summary.state === "finished" ? (
        <Reached id={id}>
          <Hyperparameters of={summary} />
          <Curves plots={plots} />
        </Reached>
      ) : (
        <>
          <Curves plots={plots} />
          <Hyperparameters of={summary} />
        </>
      )}
      {summary && <Notes key={id} summary={summary} />}
    </DetailPage>
  )
}

/** What a run does in each state that is not its last. */
const doings: Readonly<Partial<Record<RunState, string>>> = {
  waiting: "Waiting in the queue",
  starting: "Loading the model and the rows",
  training: "Training",
  stopping: "Finishing its step and saving"
}

const Standing = ({ summary }: { readonly summary: RunSummary }) => (
  <>
    <p class="quiet">{summary.says}</p>
    {summary.state === "failed" ? (
      <div class="trouble" role="alert">
        <p>{summary.note ?? "The run stopped unexpectedly. Its log may say why."}</p>
        <p>
          {summary.step === 0
            ? "Fix the problem, then press Resume to start over."
            : "Saved checkpoints are kept: Resume continues from the last one."}
        </p>
      </div>
    ) : null}
    {summary.state === "finished" ? null : <Live summary={summary} />}
  </>
)

/** A run before its end: how far it is, what it does, and its newest numbers. */
const Live = ({
  summary: { name, state, step, steps, secondsLeft, loss, score, note, startedAt }
}: {
  readonly summary: RunSummary
}) => {
  const share = steps > 0 ? Math.min(1, step / steps) : 0
  return (
    <section class="gain" aria-label="Progress">
      <p class="gain-of">
        <strong>{doings[state] ?? `Stopped at step ${wholeNumber(step)}`}</strong>
        {note === null || state === "failed" ? "" : `: ${note}`}
      </p>
      <p class="gain-numbers">
        <strong>{Math.floor(100 * share)} %</strong>{" "}
        <span>
          step {wholeNumber(step)}
          {steps > 0 ? ` of ${wholeNumber(steps)}` : ""}
        </span>
      </p>
      <progress max={1} value={share} aria-label={`Steps of ${name}`} />
      <Values
        class="live"
        values={[
          ...(isUnderWay(state) ? [["Time left", roughDuration(secondsLeft)] as const] : []),
          ["Loss", lossText(loss)],
          ["Last evaluation", score ?? "–"],
          ["Started", when(startedAt)]
        ]}
      />
    </section>
  )
}

const Hyperparameters = ({ of: { hyperparameters } }: { readonly of: RunSummary }) => {
  const all = Object.entries(hyperparameters)
  return all.length === 0 ? null : (
    <section>
      <h3>Hyperparameters</h3>
      <Values values={all.map(([name, value]) => [capital(name), hyperparameter(value)])} />
    </section>
  )
}

/** What a finished run left. */
const Reached = ({ id, children }: { readonly id: string; readonly children: ComponentChildren }) => {
  const call = useCall("result", { id })
  if (call.value === undefined) return <Pending call={call} what="Results" />
  return (
    <Result id={id} result={call.value}>
      {children}
    </Result>
  )
}

const Curves = ({ plots }: { readonly plots: ReadonlyArray<Plot> }) => {
  const { view, smooth } = useChartView()
  return (
    <section aria-label="Curves">
      <h3>Curves</h3>
      {plots.length === 0 ? (
        <p class="quiet">No curves yet. The first one appears after the first step.</p>
      ) : (
        <>
          <ChartTools plots={plots} view={view} smooth={smooth} />
          <div class="grid charts">
            {plots.map((plot) => (
              <Chart key={plot.id} plot={plot} view={view} />
            ))}
          </div>
        </>
      )}
    </section>
  )
}
