/** Trials of a study as a table: those that are done, in the order in which they ended, then those that run. */

import * as Effect from "effect/Effect"
import { duration, percent, scientific, score } from "../../boundary/index.ts"
import {
  formatValue,
  labelOf,
  type Measure,
  type Score,
  type Trial,
  type TrialResult,
  trialNamed
} from "../../compare/index.ts"
import { type Files, namesIn } from "../../files/index.ts"
import type { RunSummary, TableOfTexts } from "../protocol/index.ts"
import type { RunReader } from "../runs/index.ts"

const stages: Readonly<Record<Trial["stage"], string>> = {
  sweep: "rate sweep",
  final: "fresh seed",
  common: "shared rate"
}

const cellsOf = ({ stage, method, rank, learningRate, seed, share }: Trial): ReadonlyArray<string> => [
  labelOf(method),
  rank === null ? "–" : `${rank}`,
  scientific(learningRate),
  `${seed}`,
  share === 1 ? stages[stage] : `${stages[stage]}, ${percent(share)} of the steps`
]

const doneRow = (measure: Measure, { trial, status, reason = "", seconds, ...scores }: TrialResult) => {
  const splitScore: Partial<Score> = scores[trial.stage === "sweep" ? "validation" : "test"] ?? {}
  const { [measure.name]: reached = null, loss = null } = splitScore
  return [
    ...cellsOf(trial),
    status === "failed" ? `failed: ${reason.split("\n")[0]}` : "finished",
    score(loss),
    formatValue(measure, reached),
    duration(seconds)
  ]
}

const runningRow = (trial: Trial, { step, steps, loss }: RunSummary) => [
  ...cellsOf(trial),
  step === 0 ? "starting" : `step ${step} of ${steps}`,
  score(loss),
  "–",
  "–"
]

/** `isRunning`: whether anyone works on the study; what is not done then only waits. */
export const trialTable = (
  folder: string,
  results: ReadonlyArray<TrialResult>,
  measure: Measure,
  reader: RunReader,
  isRunning: boolean
): Effect.Effect<TableOfTexts, never, Files> =>
  Effect.gen(function* () {
    const finished = new Set(results.map(({ directory }) => directory))
    const names = isRunning ? yield* namesIn(`${folder}/runs`) : []
    const running = names.filter((name) => !finished.has(`runs/${name}`)).sort()
    const rows = yield* Effect.forEach(running, (name) =>
      Effect.gen(function* () {
        const trial = trialNamed(name)
        return trial === undefined ? [] : [runningRow(trial, yield* reader.summary(`${folder}/runs/${name}`))]
      })
    )
    return {
      columns: ["method", "rank", "learning rate", "seed", "stage", "state", "loss", measure.label, "time"],
      rows: [...results.map((result) => doneRow(measure, result)), ...rows.flat()]
    }
  })
