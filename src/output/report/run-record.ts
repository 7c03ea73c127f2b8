/**
 * Reads the input of a report: `plan.json`, `run.json` and `metrics.jsonl` of a finished run. Values that are not finite are null in them, and
 * labels are arbitrary user input.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isRecord } from "../../boundary/index.ts"
import { asFileError, FileError, fileError, readJsonFile, statRegular } from "../../files/index.ts"
import { FoundRate, type Metrics } from "../../training/index.ts"
import type { RunFolder } from "../run-folder.ts"

const Numeric = Schema.NullOr(Schema.Finite)

// the metrics of a kind of run are additional fields, by name
const Evaluation = Schema.StructWithRest(
  Schema.Struct({
    kind: Schema.Literal("evaluation"),
    step: Schema.Int,
    split: Schema.String,
    rows: Schema.Int,
    loss: Numeric,
    // of classes
    confusion: Schema.optionalKey(Schema.Array(Schema.Array(Schema.Int)))
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)
export type Evaluation = typeof Evaluation.Type

/** A kind of run, as far as its metrics need it. */
export interface MeasuredKind {
  readonly metrics: Metrics
  /** names of the metrics that the first sentence mentions */
  readonly headline: readonly [string, ...ReadonlyArray<string>]
}

/** Facts about a run's kind that a page shows and the run's files do not contain. */
export interface ReportedKind extends MeasuredKind {
  /** returns the command that uses the run, without the program's name; `run`: its folder, quoted for a shell */
  readonly next: (run: string) => string
}

/** An evaluation with the confusion of classes. */
export interface Confused extends Evaluation {
  readonly confusion: ReadonlyArray<ReadonlyArray<number>>
}

export const isConfused = (evaluation: Evaluation): evaluation is Confused => evaluation.confusion !== undefined

/** Summary of the sites at a step; metrics.jsonl also says which of them was the worst. */
interface Summary {
  readonly median: number | null
  readonly worst: number | null
}

export interface Step {
  readonly kind: "step"
  readonly step: number
  readonly loss: number | null
  readonly learningRate: number | null
  readonly gradNorm: number | null
  readonly milliseconds: number | null
  readonly health: {
    readonly conditioning?: Summary
    readonly relativeUpdateA?: Summary
    readonly relativeUpdateB?: Summary
  }
}

const Factor = Schema.Struct({ smallest: Numeric, largest: Numeric, condition: Numeric })

const Site = Schema.Struct({
  site: Schema.String,
  method: Schema.Struct({ discrepancy: Numeric, scaledDiscrepancy: Numeric, cosine: Numeric }),
  best: Schema.Struct({ discrepancy: Numeric, cosine: Numeric }),
  stepCosine: Numeric,
  A: Factor,
  B: Factor,
  gauge: Numeric,
  effectiveRank: Numeric,
  theorem: Schema.optionalKey(Schema.Struct({ fromDamped: Numeric, tolerance: Numeric }))
})
export type Site = typeof Site.Type

const Diagnostics = Schema.Struct({
  kind: Schema.Literal("diagnostics"),
  step: Schema.Int,
  sites: Schema.Array(Site),
  warnings: Schema.Array(Schema.String)
})
export type Diagnostics = typeof Diagnostics.Type

const BaselineOfSplit = Schema.NullOr(
  Schema.Struct({ of: Schema.String, scores: Schema.Record(Schema.String, Schema.Finite) })
)

const Record = Schema.Struct({
  name: Schema.String,
  directory: Schema.String,
  labels: Schema.Array(Schema.String),
  device: Schema.Record(Schema.String, Schema.Unknown),
  versions: Schema.Record(Schema.String, Schema.String),
  trainable: Schema.Struct({
    factors: Schema.Finite,
    dense: Schema.Finite,
    total: Schema.Finite,
    frozen: Schema.Finite
  }),
  steps: Schema.Int,
  ranks: Schema.optionalKey(Schema.Record(Schema.String, Schema.Natural)),
  // absent in records of earlier versions
  after: Schema.optionalKey(Schema.NullOr(Evaluation)),
  baseline: Schema.optionalKey(Schema.Struct({ validation: BaselineOfSplit, test: BaselineOfSplit })),
  warnings: Schema.optionalKey(Schema.Array(Schema.Struct({ says: Schema.String, advice: Schema.String }))),
  planned: Schema.optionalKey(Schema.Int),
  rate: Schema.optionalKey(FoundRate),
  kept: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        step: Schema.Int,
        metric: Schema.String,
        value: Numeric,
        rows: Schema.optionalKey(Schema.Int),
        compared: Schema.optionalKey(Schema.Struct({ step: Schema.Int, value: Numeric }))
      })
    )
  ),
  stopped: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ step: Schema.Int, metric: Schema.String, value: Numeric, evaluations: Schema.Int }))
  ),
  seconds: Schema.Finite,
  trainLoss: Numeric,
  before: Schema.NullOr(Evaluation),
  validation: Schema.NullOr(Evaluation),
  test: Schema.NullOr(Evaluation),
  mistakes: Schema.Array(
    Schema.Struct({
      where: Schema.String,
      text: Schema.String,
      textPair: Schema.optionalKey(Schema.String),
      label: Schema.String,
      predicted: Schema.String,
      probability: Schema.optionalKey(Numeric)
    })
  ),
  data: Schema.Array(
    Schema.Struct({
      split: Schema.String,
      where: Schema.String,
      rows: Schema.Int,
      classes: Schema.Array(Schema.Struct({ label: Schema.String, rows: Schema.Int }))
    })
  ),
  peakBytes: Schema.Finite,
  base: Schema.Struct({ path: Schema.String, sha256: Schema.Record(Schema.String, Schema.String) })
})

/** Contents of metrics.jsonl so far, while a run is in progress. */
export interface MetricsSoFar {
  readonly steps: ReadonlyArray<Step>
  readonly evaluations: ReadonlyArray<Evaluation>
  /** probes of the full gradient; empty if the plan enables none */
  readonly diagnostics: ReadonlyArray<Diagnostics>
}

export interface RunRecord extends MetricsSoFar {
  readonly run: typeof Record.Type
  readonly plan: Readonly<Record<string, unknown>>
  /** pictures of the misclassified rows as data: URIs, null where a picture is missing; empty if rows are not images */
  readonly pictures: ReadonlyArray<string | null>
}

// a page shows nothing but what this package drew
const Picture = Schema.String.check(
  Schema.isPattern(/^data:image\/png;base64,[A-Za-z0-9+/]*={0,2}$/),
  Schema.isMaxLength(100_000)
)
const Pictures = Schema.Array(Schema.NullOr(Picture)).check(Schema.isMaxLength(100))

/** Reads plan.json, run.json and metrics.jsonl. Fails on the first file that is unreadable or invalid. */
export const readRun = (folder: RunFolder): Effect.Effect<RunRecord, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const run = yield* readJson(folder.report, Record)
    const plan = yield* readJson(folder.plan, Schema.Record(Schema.String, Schema.Unknown))
    const rows = yield* readMetrics(folder.metrics)
    const fs = yield* FileSystem.FileSystem
    const hasPictures = yield* Effect.orElseSucceed(fs.exists(folder.pictures), () => false)
    return {
      run,
      plan,
      steps: rows.filter((row) => row.kind === "step"),
      evaluations: rows.filter((row) => row.kind === "evaluation"),
      diagnostics: rows.filter((row) => row.kind === "diagnostics"),
      pictures: hasPictures ? yield* readJson(folder.pictures, Pictures) : []
    }
  })

const invalid = (file: string) => (error: Schema.SchemaError) =>
  new FileError({ action: "read", file, reason: `not a valid run record: ${error.message.replaceAll("\n", " ")}` })

const readJson = <S extends Schema.Codec<unknown, unknown>>(file: string, schema: S) =>
  Effect.gen(function* () {
    const json = yield* readJsonFile(file).pipe(Effect.mapError(asFileError))
    return yield* Schema.decodeUnknownEffect(schema)(json).pipe(Effect.mapError(invalid(file)))
  })

const decodeOther = Schema.decodeUnknownOption(Schema.Union([Evaluation, Diagnostics]))

const isNumeric = (value: unknown): value is number | null =>
  value === null || (typeof value === "number" && Number.isFinite(value))

const summaryIn = (value: unknown): Summary | undefined => {
  if (!isRecord(value)) return undefined
  const { median, worst } = value
  return isNumeric(median) && isNumeric(worst) ? { median, worst } : undefined
}

const healthIn = (value: Readonly<Record<string, unknown>>): Step["health"] => {
  const conditioning = summaryIn(value["conditioning"])
  const relativeUpdateA = summaryIn(value["relativeUpdateA"])
  const relativeUpdateB = summaryIn(value["relativeUpdateB"])
  return {
    ...(conditioning === undefined ? undefined : { conditioning }),
    ...(relativeUpdateA === undefined ? undefined : { relativeUpdateA }),
    ...(relativeUpdateB === undefined ? undefined : { relativeUpdateB })
  }
}

/** Decodes a step by hand: runs have tens of thousands, and a schema takes twenty times as long as reading the JSON. */
const stepIn = (row: Readonly<Record<string, unknown>>): Step | undefined => {
  const { step, loss, learningRate, gradNorm, milliseconds, health } = row
  if (typeof step !== "number" || !Number.isInteger(step) || !isRecord(health)) return undefined
  if (!isNumeric(loss) || !isNumeric(learningRate) || !isNumeric(gradNorm) || !isNumeric(milliseconds)) return undefined
  return {
    kind: "step",
    step,
    loss,
    learningRate,
    gradNorm,
    milliseconds,
    health: healthIn(health)
  }
}

export type Row = Step | Evaluation | Diagnostics

/** Parses a line of metrics.jsonl. Returns undefined if the line is incomplete or not a row that a run writes. */
export const rowIn = (line: string): Row | undefined => {
  let row: unknown
  try {
    row = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isRecord(row)) return undefined
  return row["kind"] === "step" ? stepIn(row) : Option.getOrUndefined(decodeOther(row))
}

// A line that stops short is a run that was cut off while it wrote it; the lines before are good.
const readMetrics = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* statRegular(file)
    return yield* fs.stream(file).pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.map(rowIn),
      Stream.filter((row) => row !== undefined),
      Stream.runCollect,
      Effect.mapError(fileError("read", file))
    )
  })
