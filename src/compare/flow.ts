/**
 * A study as a durable workflow. Its trials become known step by step, and results are never lost.
 *
 *   sweep rounds → the rate of each method × rank → final trials on fresh seeds, and common ones → all results
 *
 * Each trial is an activity: the workflow offers it to the queue under its own id and waits for its result. The engine records completed
 * activities. A coordinator that is killed and started again repeats the workflow from its first line, with stored results for completed
 * activities; the queue ignores repeated offers of the others.
 *
 * The engine runs only in the coordinator's process, over the study's own tables (`SingleRunner`). It owns every shard, so a busy machine cannot
 * lose a lock of the cluster or compete for it. Processes and machines share only the queue and the table of results, for which row locks suffice.
 * A cluster of runners over one SQLite file would survive kills of single processes too, but a runner whose event loop is busy for longer than a
 * shard's lock lives loses the shard, and two runners then start the same activity alternately, indefinitely. Shards are also distributed by hash,
 * so that one worker may get most of the trials.
 */
import * as NodeCrypto from "@effect/platform-node-shared/NodeCrypto"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Runners from "effect/cluster/Runners"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import { enginePrefix } from "./database.ts"
import { type Study, type Trial, TrialResult } from "./study.ts"
import {
  type Arm,
  betterHalf,
  beyondEdge,
  chosenRates,
  commonTrials,
  finalTrials,
  MOST_BEYOND,
  type PickRates,
  type Rates,
  roundsOf,
  sameArm,
  sameRun,
  sweepTrials
} from "./trials.ts"

export const StudyFlow = Workflow.make("Study", {
  payload: { study: Schema.String },
  success: Schema.Array(TrialResult),
  idempotencyKey: ({ study }) => study
})

/** Runs a trial and returns its result. A repeated request does not run the trial again. */
export type RunTrial = (trial: Trial) => Effect.Effect<TrialResult>

const activity = (run: RunTrial) => (trial: Trial) =>
  Activity.make({ name: trial.id, success: TrialResult, execute: run(trial) })

/** Runs all trials concurrently; the number of workers limits how many run at the same time. */
const all = (trials: ReadonlyArray<Trial>, run: RunTrial) =>
  Effect.forEach(trials, activity(run), { concurrency: "unbounded" })

const sweep = (study: Study, run: RunTrial, pick: PickRates) =>
  Effect.gen(function* () {
    const results: Array<TrialResult> = []
    let rates: Rates = ({ method }) => study.learningRates[method] ?? []
    for (const share of roundsOf(study)) {
      const round = yield* all(sweepTrials(study, share, rates), run)
      results.push(...round)
      const before = rates
      rates = (arm: Arm) =>
        round.some(({ trial }) => sameArm(trial, arm)) ? betterHalf(round, arm, pick) : before(arm)
    }
    for (let beyond = 0; study.strategy === "widening" && beyond < MOST_BEYOND; beyond++) {
      const trials = sweepTrials(study, 1, (arm) => beyondEdge(results, arm, pick))
      if (trials.length === 0) break
      results.push(...(yield* all(trials, run)))
    }
    return results
  })

/** Runs the trials of a study in the workflow. `run` and `pick` are arguments, so that tests can replace them. */
const studyTrials = (study: Study, run: RunTrial, pick: PickRates) =>
  Effect.gen(function* () {
    const swept = yield* sweep(study, run, pick)
    const finals = finalTrials(study, chosenRates(study, swept, pick))
    const common = commonTrials(study)
    const isFinal = (trial: Trial) => finals.find((final) => sameRun(trial, final))
    // a common trial that is also a final one runs once, and is in both tables
    const results = yield* all([...finals, ...common.filter((trial) => isFinal(trial) === undefined)], run)
    const again = common.flatMap((trial) => {
      const twin = isFinal(trial)
      const result = twin === undefined ? undefined : results.find((candidate) => candidate.trial.id === twin.id)
      return result === undefined ? [] : [{ ...result, trial }]
    })
    return [...swept, ...results, ...again]
  })

export const studyLayer = (study: Study, run: RunTrial, pick: PickRates) =>
  StudyFlow.toLayer(() => studyTrials(study, run, pick))

/** Creates the layer of the workflow engine, over the study's tables in the database. */
export const engineLayer = (study: string) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(Sharding.layer),
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(SqlMessageStorage.layerWith({ prefix: enginePrefix(study) })),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    Layer.provide(
      ShardingConfig.layer({
        shardsPerGroup: 1, // one runner has them all
        entityMessagePollInterval: "1 second",
        entityReplyPollInterval: "500 millis",
        entityTerminationTimeout: "1 second"
      })
    ),
    Layer.provide(NodeCrypto.layerDigest)
  )
