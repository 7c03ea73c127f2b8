/**
 * The verdict of a study as data, `compare.json`: a table of fresh seeds at each method's best rate, one at a common rate, the sweeps that chose
 * the rates, and every failed run.
 */
import * as Schema from "effect/Schema"
import { Measure } from "../measure.ts"
import { Study, TrialResult } from "../study.ts"
import { Beside, Cost } from "./cost.ts"
import { Difference } from "./difference.ts"

const Numeric = Schema.NullOr(Schema.Finite)

/** Estimate over the seeds that finished. */
export const Estimate = Schema.Struct({
  n: Schema.Int,
  mean: Schema.Finite,
  deviation: Numeric,
  /** 95 % interval for the mean over all seeds (Student's t); null if the seeds give none */
  interval: Schema.NullOr(Schema.Tuple([Schema.Finite, Schema.Finite]))
})

/** One method at one rank and one rate, over fresh seeds. */
export const Entry = Schema.Struct({
  method: Schema.String,
  rank: Schema.NullOr(Schema.Int),
  /** method and rank, for tables and sentences */
  name: Schema.String,
  /** learning rate; null: no rate works */
  learningRate: Numeric,
  /** numbers of runs that finished, failed, and have not finished yet */
  done: Schema.Int,
  failed: Schema.Int,
  missing: Schema.Int,
  /** number of finished runs that report that they learned nothing, and the sentence of one of them */
  learnedNothing: Schema.Struct({ runs: Schema.Int, says: Schema.NullOr(Schema.String) }),
  /** estimates of the judged metric; shares in 0 … 1 */
  validation: Schema.NullOr(Estimate),
  test: Schema.NullOr(Estimate),
  testLoss: Schema.NullOr(Estimate),
  /** other metrics on the test split, by name */
  scores: Schema.Record(Schema.String, Schema.NullOr(Estimate)),
  /** differences from plain LoRA of the same rank and from full fine-tuning, paired by seed; null: not in the table, or the entry itself */
  againstLora: Schema.NullOr(Difference),
  againstFull: Schema.NullOr(Difference),
  /** training time in seconds, mean over the runs */
  seconds: Numeric,
  /** peak memory in bytes, maximum over the runs */
  peakBytes: Numeric,
  trainable: Numeric,
  stateBytes: Numeric,
  cost: Cost,
  /** ‖g − g̃‖/‖g‖, means over the runs */
  discrepancy: Schema.NullOr(Schema.Struct({ method: Schema.Finite, best: Schema.Finite }))
})
export type Entry = typeof Entry.Type

export const Table = Schema.Struct({
  stage: Schema.Literals(["final", "common"]),
  /** split on which methods are compared; validation if the plan has no test split */
  split: Schema.Literals(["test", "validation"]),
  /** number of rows of that split; null if no run finished */
  rows: Schema.NullOr(Schema.Int),
  /** baseline of the metric that methods are judged by; null if unknown */
  baseline: Schema.NullOr(Schema.Struct({ of: Schema.String, value: Schema.Finite })),
  /** how many runs trained in parallel; null if not recorded */
  beside: Schema.NullOr(Beside),
  /** number of differences that were corrected together */
  comparisons: Schema.Int,
  entries: Schema.Array(Entry)
})
export type Table = typeof Table.Type

/** Columns that not every table has. */
export interface Columns {
  /** whether all entries use one common rate; the table then has no column for it */
  readonly common: boolean
  /** whether some method is compared with plain LoRA, or with full fine-tuning */
  readonly lora: boolean
  readonly full: boolean
  /** whether some method was compared with the full gradient */
  readonly discrepancy: boolean
}

export const columnsOf = ({ entries, stage }: Table): Columns => ({
  common: stage === "common",
  lora: entries.some(({ againstLora }) => againstLora !== null),
  full: entries.some(({ againstFull }) => againstFull !== null),
  discrepancy: entries.some(({ discrepancy }) => discrepancy !== null)
})

const Rate = Schema.Struct({
  learningRate: Schema.Finite,
  done: Schema.Int,
  failed: Schema.Int,
  loss: Numeric,
  /** the other metrics by name */
  scores: Schema.Record(Schema.String, Numeric),
  share: Schema.Finite
})

export const SweepRecord = Schema.Struct({
  method: Schema.String,
  rank: Schema.NullOr(Schema.Int),
  name: Schema.String,
  points: Schema.Array(Rate),
  best: Numeric
})
export type SweepRecord = typeof SweepRecord.Type

export const Verdict = Schema.Struct({
  study: Study,
  /** metric that judges the methods */
  measure: Measure,
  final: Schema.NullOr(Table),
  common: Schema.NullOr(Table),
  sweeps: Schema.Array(SweepRecord),
  /** warnings for readers of the results, one sentence each */
  warnings: Schema.Array(Schema.String),
  results: Schema.Array(TrialResult)
})
export type Verdict = typeof Verdict.Type

/** Returns the contents of compare.json: scores are fields of an entry or a rate, by name. */
export const verdictJson = (verdict: Verdict): object => {
  const { measure, final, common, sweeps, ...rest } = encode(verdict)
  const table = (encodedTable: typeof final) =>
    encodedTable && {
      ...encodedTable,
      entries: encodedTable.entries.map(({ scores, ...entry }) => ({ ...entry, ...scores }))
    }
  const rate = ({ scores, ...point }: (typeof sweeps)[number]["points"][number]) => ({
    ...point,
    [measure.name]: scores[measure.name] ?? null
  })
  return {
    ...rest,
    final: table(final),
    common: table(common),
    sweeps: sweeps.map((sweep) => ({ ...sweep, points: sweep.points.map(rate) }))
  }
}

const encode = Schema.encodeSync(Verdict)
