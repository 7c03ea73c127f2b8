/**
 * What a comparison is made of, as data: a study asks, its trials are the runs it takes, their results are all that a verdict may use.
 *
 *   sweep    every method × rank × learning rate × sweep seed; the best rate of each method × rank is picked by validation
 *   final    that rate × fresh seeds, judged by the test split
 *   common   every method × rank at one rate for all × the same fresh seeds: what a user without time to tune would see
 *
 * A method with one rate to try has no sweep. With successive halving a sweep has rounds: `share` of the plan's steps grows and the
 * worse half of the rates drops out; what is picked is picked among trials with `share` 1.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { inTodaysWords, RunPlan, type RunPlanInput } from "../../schemas/index.ts"
import { Inputs } from "../output/index.ts"

export const Stage = Schema.Literals(["sweep", "final", "common"])
export type Stage = typeof Stage.Type

/** One run of a study. */
export const Trial = Schema.Struct({
  /** unique within the study and the same every time it is started: the run's folder and its name in the queue */
  id: Schema.String,
  stage: Stage,
  /** a name in the table of `methods.ts` */
  method: Schema.String,
  learningRate: Schema.Finite,
  /** null for methods without one */
  rank: Schema.NullOr(Schema.Int),
  seed: Schema.Int,
  /** of the plan's steps, in (0, 1]; below 1 in the early rounds of successive halving */
  share: Schema.Finite
})
export type Trial = typeof Trial.Type

/** One split at the end of a run. Numbers are null where they are not finite. */
export const Score = Schema.StructWithRest(
  Schema.Struct({
    rows: Schema.Int,
    /** mean cross-entropy */
    loss: Schema.NullOr(Schema.Finite)
  }),
  // what else the kind of run measures, by its names
  [Schema.Record(Schema.String, Schema.NullOr(Schema.Finite))]
)
export type Score = typeof Score.Type

/** ‖g − g̃‖/‖g‖, mean over the sites and the probed steps. */
export const Discrepancy = Schema.Struct({
  /** of the method in use */
  method: Schema.Finite,
  /** of the best possible move of A and B */
  best: Schema.Finite
})
export type Discrepancy = typeof Discrepancy.Type

const BaselineOfSplit = Schema.NullOr(
  Schema.Struct({ of: Schema.String, scores: Schema.Record(Schema.String, Schema.Finite) })
)

/** Baselines of each split, by metric. */
export const Baselines = Schema.Struct({ validation: BaselineOfSplit, test: BaselineOfSplit })

/** What one run came to. */
export const TrialResult = Schema.Struct({
  trial: Trial,
  /** the run's folder, relative to the study's. That of another trial where both are the same run (a final and a common one) */
  directory: Schema.String,
  status: Schema.Literals(["done", "failed"]),
  /** why it failed, as `train` said it */
  reason: Schema.optionalKey(Schema.String),
  validation: Schema.NullOr(Score),
  test: Schema.NullOr(Score),
  /** the same for every run of a study's rows; runs of before have none */
  baseline: Schema.optionalKey(Baselines),
  /** before and after training, on the same rows; runs of before have neither */
  before: Schema.optionalKey(Schema.NullOr(Score)),
  after: Schema.optionalKey(Schema.NullOr(Score)),
  /** mean loss of the last tenth of the steps; null where it failed */
  trainLoss: Schema.NullOr(Schema.Finite),
  /** of training alone */
  seconds: Schema.NullOr(Schema.Finite),
  /** of a step, the median; runs of before have none of these three */
  stepSeconds: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  /** when its work began and ended, in seconds since 1970: which trials ran beside each other */
  began: Schema.optionalKey(Schema.Finite),
  ended: Schema.optionalKey(Schema.Finite),
  /** largest resident memory of the process that trained */
  peakBytes: Schema.NullOr(Schema.Finite),
  /** what the run says of itself where it learned nothing, a sentence each; runs of before say nothing */
  learnedNothing: Schema.optionalKey(Schema.Array(Schema.String)),
  /** trained numbers */
  trainable: Schema.NullOr(Schema.Int),
  /** of the optimizer's state */
  stateBytes: Schema.NullOr(Schema.Finite),
  /** where the plan has `training.diagnostics` and the method can be probed */
  discrepancy: Schema.optionalKey(Discrepancy),
  steps: Schema.NullOr(Schema.Int),
  /** what the device said of itself, as in run.json; null where it failed */
  device: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))
})
export type TrialResult = typeof TrialResult.Type

export const Strategy = Schema.Literals(["grid", "halving", "widening"])
export type Strategy = typeof Strategy.Type

/** A plan as this version writes it or an earlier one did. */
const WrittenPlan = Schema.Unknown.pipe(
  Schema.decodeTo(
    RunPlan,
    SchemaTransformation.transform({
      decode: (plan): RunPlanInput => inTodaysWords(plan) as RunPlanInput,
      encode: (plan): unknown => plan
    })
  )
)

/** study.json: everything that decides which trials there are and what they compute. */
export const Study = Schema.Struct({
  /** names its tables and rows in a database */
  id: Schema.String,
  /** of the plan's file */
  name: Schema.String,
  /** input paths relative to the study's folder; each method changes its adapter and optimizer */
  plan: WrittenPlan,
  methods: Schema.Array(Schema.String),
  /** per method, ascending */
  learningRates: Schema.Record(Schema.String, Schema.Array(Schema.Finite)),
  ranks: Schema.Array(Schema.Int),
  /** of the sweep */
  seeds: Schema.Array(Schema.Int),
  /** of the final and the common trials */
  freshSeeds: Schema.Array(Schema.Int),
  /** the one rate of the common trials; null: there are none */
  commonRate: Schema.NullOr(Schema.Finite),
  strategy: Strategy,
  device: Schema.Literals(["auto", "webgpu", "native", "wasm", "cpu"]),
  /** sqlite (a file in the study's folder), sqlite://FILE or postgres://…, without a password */
  storage: Schema.String,
  /** the files that its plan reads, by content; studies of before have none */
  inputs: Schema.optionalKey(Inputs)
})
export type Study = typeof Study.Type

/** A study that has no folder yet. */
export type Question = Omit<Study, "id" | "inputs">

/** The rate that a method × rank continues with. */
export const BestRate = Schema.Struct({
  method: Schema.String,
  rank: Schema.NullOr(Schema.Int),
  learningRate: Schema.Finite
})
export type BestRate = typeof BestRate.Type
