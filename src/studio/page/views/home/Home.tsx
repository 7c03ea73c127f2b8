/** Where the studio opens: ways to start a run, and the newest runs; before the first one, what will happen. */
import type { RunSummary } from "../../../protocol/index.ts"
import { DropSign, startWith, useDrop } from "../../parts/drop.tsx"
import { Loading, Trouble } from "../../parts/loading.tsx"
import { Sign } from "../../parts/sign.tsx"
import { StateBadge } from "../../parts/state-badge.tsx"
import { addressOf, type ViewProps } from "../../place.ts"
import { useRuns } from "../../use.ts"
import { isUnderWay, NameOf, ProgressOf, when } from "../runs/standing.tsx"
import "./home.css"

/** Runs that are shown here; the others are in Runs. */
const MOST = 6

const starts = [
  {
    place: ["new"],
    title: "Your rows",
    says: "A CSV, JSON Lines or Parquet file, or a folder of pictures for each class",
    sign: "M7 3h7l4 4v14H7zM14 3v4h4M12 18v-7M9 14l3-3 3 3"
  },
  {
    place: ["new", "example"],
    title: "An example",
    says: "Sentences from film reviews, positive or negative: a first result in a minute",
    sign: "M5 5h14v14H5zM5 10h14M10 10v9"
  },
  {
    place: ["new", "webcam"],
    title: "The webcam",
    says: "Show each class to the camera, and train on the pictures",
    sign: "M4 7h4l2-2h4l2 2h4v12H4zM12 16a3 3 0 1 0 0-6 3 3 0 0 0 0 6"
  }
] as const

const Starts = () => (
  <ul class="starts">
    {starts.map(({ place, title, says, sign }) => (
      <li key={title}>
        <a class="card" href={addressOf(...place)}>
          <Sign path={sign} />
          <strong>{title}</strong>
          <span class="quiet small">{says}</span>
        </a>
      </li>
    ))}
  </ul>
)

const steps = [
  ["Choose what to learn", "The studio reads your rows, finds what they can teach, and picks a base model and a plan."],
  ["Watch it train", "Training adds a small adapter to the base model. Curves, time left and evaluations are live."],
  ["See what it gained", "Before and after on rows it has not seen, next to a baseline, with the rows it gets wrong."],
  ["Use it", "Try it next to the base model, then export it for a web page, Python, Ollama or the Hub."]
] as const

const WhatHappens = () => (
  <section>
    <h2>What happens next</h2>
    <ol class="steps">
      {steps.map(([title, says], i) => (
        <li key={title}>
          <span class="count" aria-hidden="true">
            {i + 1}
          </span>
          <strong>{title}</strong>
          <span class="quiet small">{says}</span>
        </li>
      ))}
    </ol>
  </section>
)

const Recent = ({ runs }: { readonly runs: ReadonlyArray<RunSummary> }) => (
  <section>
    <h2>Recent runs</h2>
    <ul class="recent card listed">
      {runs.slice(0, MOST).map((run) => (
        <li key={run.id}>
          <div>
            <NameOf run={run} />
            <span class="quiet small">
              {run.says === "" ? "" : `${run.says}\u00a0· `}
              {when(run.startedAt)}
            </span>
          </div>
          <span class="score">
            {isUnderWay(run.state) ? <ProgressOf summary={run} /> : (run.score ?? "No evaluation")}
          </span>
          <StateBadge state={run.state} />
        </li>
      ))}
    </ul>
    {runs.length > MOST ? <a href={addressOf("runs")}>All {runs.length} runs</a> : null}
  </section>
)

export const Home = (_: ViewProps) => {
  const { state: all, problem } = useRuns()
  const isOver = useDrop(startWith)
  const runs = all?.filter(({ archived }) => !archived)
  return (
    <>
      <section>
        <h2 class="first">Start a run from</h2>
        <Starts />
        <p class="quiet small">Or drop a file or a folder anywhere on this page.</p>
      </section>
      <Trouble problem={problem} />
      {runs === undefined && problem === undefined ? <Loading what="Runs" /> : null}
      {runs?.length === 0 ? <WhatHappens /> : null}
      {runs !== undefined && runs.length > 0 ? <Recent runs={runs} /> : null}
      {isOver ? <DropSign says="Drop to start a run with these rows" /> : null}
    </>
  )
}
