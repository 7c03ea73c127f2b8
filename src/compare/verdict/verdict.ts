/**
 * The verdict of a study as data: `compare.json`. A table of fresh seeds at each method's best rate, one at a common rate, the sweeps
 * that chose the rates, and every run that failed.
 */
import * as Schema from "effect/Schema"
import { Measure } from "../measure.ts"
import { Study, TrialResult } from "../study.ts"
import { Beside, Cost } from "./cost.ts"
import { Difference } from "./difference.ts"

const Numeric = Schema.NullOr(Schema.Finite)

/** Over the seeds that ended well. */
export const Estimate = Schema.Struct({
  n: Schema.Int,
  mean: Schema.Finite,
  deviation: Numeric,
  /** for the mean over all seeds, at 95 % (Student's t); null where the seeds give none */
  interval: Schema.NullOr(Schema.Tuple([Schema.Finite, Schema.Finite]))
})

/** One method at one rank and one rate, over fresh seeds. */
export const Entry = Schema.Struct({
  method: Schema.String,
  rank: Schema.NullOr(Schema.Int),
  /** method and rank as tables and sentences say them */
  name: Schema.String,
  /** null: none of its rates worked */
  learningRate: Numeric,
  /** numbers of runs that finished, failed, and have not finished yet */
  done: Schema.Int,
  failed: Schema.Int,
  missing: Schema.Int,
  /** of those that ended well, how many say that they learned nothing, and how one of them puts it */
  learnedNothing: Schema.Struct({ runs: Schema.Int, says: Schema.NullOr(Schema.String) }),
  /** of what the verdict judges by; shares in 0 … 1 */
  validation: Schema.NullOr(Estimate),
  test: Schema.NullOr(Estimate),
  testLoss: Schema.NullOr(Estimate),
  /** other metrics on the test split, by name */
  scores: Schema.Record(Schema.String, Schema.NullOr(Estimate)),
  /** paired with plain LoRA of the same rank, and with full fine-tuning; null: not in the table, or itself */
  againstLora: Schema.NullOr(Difference),
  againstFull: Schema.NullOr(Difference),
  /** of training alone, mean over the runs */
  seconds: Numeric,
  /** largest of the runs */
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
  /** rows of that split; null where no run ended well */
  rows: Schema.NullOr(Schema.Int),
  /** baseline of the metric that methods are judged by; null if unknown */
  baseline: Schema.NullOr(Schema.Struct({ of: Schema.String, value: Schema.Finite })),
  /** how many runs trained in parallel; null if not recorded */
  beside: Schema.NullOr(Beside),
  /** differences that were corrected together */
  comparisons: Schema.Int,
  entries: Schema.Array(Entry)
})
export type Table = typeof Table.Type

/** Columns that not every table has. */
export interface Columns {
  /** one rate for all: no column for it */
  readonly common: boolean
  /** some method is compared with plain LoRA, or with full fine-tuning */
  readonly lora: boolean
  readonly full: boolean
  /** some method was compared with the full gradient */
  readonly looked: boolean
}

export const columnsOf = ({ entries, stage }: Table): Columns => ({
  common: stage === "common",
  lora: entries.some(({ againstLora }) => againstLora !== null),
  full: entries.some(({ againstFull }) => againstFull !== null),
  looked: entries.some(({ discrepancy }) => discrepancy !== null)
})

const Rate = Schema.Struct({
  learningRate: Schema.Finite,
  done: Schema.Int,
  failed: Schema.Int,
  loss: Numeric,
  /** the other metrics by their names */
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
  /** what it judges by */
  measure: Measure,
  final: Schema.NullOr(Table),
  common: Schema.NullOr(Table),
  sweeps: Schema.Array(SweepRecord),
  /** what a reader of the numbers has to know, a sentence each */
  warnings: Schema.Array(Schema.String),
  results: Schema.Array(TrialResult)
})
export type Verdict = typeof Verdict.Type

/** What compare.json says: scores are among an entry's and a rate's other numbers, by their names. */
export const verdictJson = (verdict: Verdict): object => {
  const { measure, final, common, sweeps, ...rest } = encode(verdict)
  const table = (one: typeof final) =>
    one && { ...one, entries: one.entries.map(({ scores, ...entry }) => ({ ...entry, ...scores })) }
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
