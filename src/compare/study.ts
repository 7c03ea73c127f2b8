/**
 * A comparison as data: the study, the trials it consists of, and their results, the only input of a verdict.
 *
 *   sweep    every method × rank × learning rate × sweep seed; the best rate of each method × rank is picked by validation
 *   final    that rate × fresh seeds, judged by the test split
 *   common   every method × rank at one rate for all × the same fresh seeds: what a user without time to tune would see
 *
 * A method with a single rate has no sweep. With successive halving a sweep has rounds: `share` of the plan's steps grows and the worse half of the
 * rates drops out; the best rate is picked among trials with `share` 1.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { inTodaysWords, RunPlan, type RunPlanInput } from "../../schemas/index.ts"
import { Inputs } from "../output/index.ts"

export const Stage = Schema.Literals(["sweep", "final", "common"])
export type Stage = typeof Stage.Type

/** One run of a study. */
export const Trial = Schema.Struct({
  /** unique within the study and the same after a restart; names the run's folder and its entry in the queue */
  id: Schema.String,
  stage: Stage,
  /** a method of the table in `methods.ts` */
  method: Schema.String,
  learningRate: Schema.Finite,
  /** rank; null for methods without one */
  rank: Schema.NullOr(Schema.Int),
  seed: Schema.Int,
  /** fraction of the plan's steps, in (0, 1]; below 1 in the early rounds of successive halving */
  share: Schema.Finite
})
export type Trial = typeof Trial.Type

/** Evaluation of one split at the end of a run. Values that are not finite are null. */
export const Score = Schema.StructWithRest(
  Schema.Struct({
    rows: Schema.Int,
    /** mean cross-entropy */
    loss: Schema.NullOr(Schema.Finite)
  }),
  // other metrics of the kind of run, by name
  [Schema.Record(Schema.String, Schema.NullOr(Schema.Finite))]
)
export type Score = typeof Score.Type

/** ‖g − g̃‖/‖g‖, mean over the sites and the probed steps. */
export const Discrepancy = Schema.Struct({
  /** value of the method */
  method: Schema.Finite,
  /** value of the best possible update of A and B */
  best: Schema.Finite
})
export type Discrepancy = typeof Discrepancy.Type

const BaselineOfSplit = Schema.NullOr(
  Schema.Struct({ of: Schema.String, scores: Schema.Record(Schema.String, Schema.Finite) })
)

/** Baselines of each split, by metric. */
export const Baselines = Schema.Struct({ validation: BaselineOfSplit, test: BaselineOfSplit })

/** Result of one run. */
export const TrialResult = Schema.Struct({
  trial: Trial,
  /** the run's folder, relative to the study's; trials that are the same run (a final and a common one) share one folder */
  directory: Schema.String,
  status: Schema.Literals(["done", "failed"]),
  /** why it failed, as `train` reported it */
  reason: Schema.optionalKey(Schema.String),
  validation: Schema.NullOr(Score),
  test: Schema.NullOr(Score),
  /** baselines, the same for all runs of a study; absent in records of earlier versions */
  baseline: Schema.optionalKey(Baselines),
  /** evaluations before and after training, on the same rows; absent in records of earlier versions */
  before: Schema.optionalKey(Schema.NullOr(Score)),
  after: Schema.optionalKey(Schema.NullOr(Score)),
  /** mean loss of the last tenth of the steps; null if the run failed */
  trainLoss: Schema.NullOr(Schema.Finite),
  /** training time in seconds, without evaluations */
  seconds: Schema.NullOr(Schema.Finite),
  /** median time of a step, in seconds; like `began` and `ended`, absent in records of earlier versions */
  stepSeconds: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  /** start and end of its work, in seconds since 1970, which show the trials that ran at the same time */
  began: Schema.optionalKey(Schema.Finite),
  ended: Schema.optionalKey(Schema.Finite),
  /** peak resident memory of the training process, in bytes */
  peakBytes: Schema.NullOr(Schema.Finite),
  /** warnings that the run learned nothing, one sentence each; absent in records of earlier versions */
  learnedNothing: Schema.optionalKey(Schema.Array(Schema.String)),
  /** number of trainable parameters */
  trainable: Schema.NullOr(Schema.Int),
  /** size of the optimizer's state, in bytes */
  stateBytes: Schema.NullOr(Schema.Finite),
  /** present if the plan has `training.diagnostics` and the method can be probed */
  discrepancy: Schema.optionalKey(Discrepancy),
  steps: Schema.NullOr(Schema.Int),
  /** the device's description of itself, as in run.json; null if the run failed */
  device: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))
})
export type TrialResult = typeof TrialResult.Type

export const Strategy = Schema.Literals(["grid", "halving", "widening"])
export type Strategy = typeof Strategy.Type

// named, so that declarations of what holds a plan do not print the whole language of plans
export interface WrittenPlan extends Schema.Codec<RunPlan, unknown> {}

/** A plan as written by this version or an earlier one. */
const WrittenPlan: WrittenPlan = Schema.Unknown.pipe(
  Schema.decodeTo(
    RunPlan,
    SchemaTransformation.transform({
      decode: (plan): RunPlanInput => inTodaysWords(plan) as RunPlanInput,
      encode: (plan): unknown => plan
    })
  )
)

/** Contents of study.json: everything that determines the trials of a study and what they compute. */
export const Study = Schema.Struct({
  /** names its tables and rows in a database */
  id: Schema.String,
  /** name of the plan's file */
  name: Schema.String,
  /** the plan, with input paths relative to the study's folder; each method changes its adapter and optimizer */
  plan: WrittenPlan,
  methods: Schema.Array(Schema.String),
  /** learning rates by method, ascending */
  learningRates: Schema.Record(Schema.String, Schema.Array(Schema.Finite)),
  ranks: Schema.Array(Schema.Int),
  /** seeds of the sweep */
  seeds: Schema.Array(Schema.Int),
  /** seeds of the final and the common trials */
  freshSeeds: Schema.Array(Schema.Int),
  /** the learning rate of all common trials; null: the study has no common trials */
  commonRate: Schema.NullOr(Schema.Finite),
  strategy: Strategy,
  device: Schema.Literals(["auto", "webgpu", "native", "wasm", "cpu"]),
  /** storage: sqlite (a file in the study's folder), sqlite://FILE or postgres://…, without a password */
  storage: Schema.String,
  /** SHA-256 of the files that its plan reads; absent in studies of earlier versions */
  inputs: Schema.optionalKey(Inputs)
})
export type Study = typeof Study.Type

/** A study that has no folder yet. */
export type Question = Omit<Study, "id" | "inputs">

/** The learning rate with which a method × rank continues. */
export const BestRate = Schema.Struct({
  method: Schema.String,
  rank: Schema.NullOr(Schema.Int),
  learningRate: Schema.Finite
})
export type BestRate = typeof BestRate.Type
