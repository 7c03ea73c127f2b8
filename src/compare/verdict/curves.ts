/**
 * Curves of a study's fresh runs, from their `metrics.jsonl`: losses and, where probed, discrepancies, each the mean over the seeds of a method. A
 * run whose file is incomplete contributes what it has; a run without the file contributes nothing.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FileError, fileError, statRegular } from "../../files/index.ts"
import { smoothed } from "../../output/report/index.ts"
import type { Study, TrialResult } from "../study.ts"
import { byMethodAndRank, scored } from "./best-rates.ts"
import { mean } from "./statistics.ts"

/** Values over steps, ascending. */
export type Curve = ReadonlyArray<readonly [step: number, value: number]>

/** Curves of one method × rank. A curve that was not recorded is empty. */
export interface MethodCurves {
  readonly method: string
  readonly rank: number | null
  readonly seeds: number
  /** running mean over about a twentieth of the steps */
  readonly training: Curve
  readonly validation: Curve
  /** ‖g − g̃‖/‖g‖ of the method; with the best scale of g̃; and of the best possible update */
  readonly discrepancy: Curve
  readonly scaledDiscrepancy: Curve
  readonly bestDiscrepancy: Curve
}

const Numeric = Schema.NullOr(Schema.Finite)
const Discrepancy = Schema.Struct({ discrepancy: Numeric })
const Row = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ kind: Schema.Literal("step"), step: Schema.Int, loss: Numeric }),
    Schema.Struct({ kind: Schema.Literal("evaluation"), step: Schema.Int, split: Schema.String, loss: Numeric }),
    Schema.Struct({
      kind: Schema.Literal("diagnostics"),
      step: Schema.Int,
      mean: Schema.Struct({
        method: Schema.Struct({ discrepancy: Numeric, scaledDiscrepancy: Numeric }),
        best: Discrepancy
      })
    })
  ])
)
type Row = typeof Row.Type

const decode = Schema.decodeUnknownOption(Row)

/** Reads the rows of a file. Skips lines of other kinds and an incomplete last line of a killed run. */
const rowsOf = (file: string): Effect.Effect<ReadonlyArray<Row>, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(file).pipe(Effect.mapError(fileError("read", file))))) return []
    yield* statRegular(file)
    return yield* fs.stream(file).pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.map((line) => decode(line)),
      Stream.filter(Option.isSome),
      Stream.map(({ value }) => value),
      Stream.runCollect,
      Effect.mapError(fileError("read", file))
    )
  })

type Pick = (row: Row) => number | null

const curveOf = (rows: ReadonlyArray<Row>, pick: Pick): Curve =>
  rows.flatMap((row) => {
    const value = pick(row)
    return value === null ? [] : [[row.step, value] as const]
  })

const running = (curve: Curve): Curve => {
  const span = Math.max(5, Math.round(curve.length / 20))
  const values = smoothed(
    curve.map(([, value]) => value),
    span
  )
  return curve.map(([step], i) => [step, values[i]!] as const)
}

// Maximum number of points of a small chart; more steps are thinned evenly.
const POINTS = 160

const thinned = (curve: Curve): Curve => {
  const every = Math.ceil(curve.length / POINTS)
  return every <= 1 ? curve : curve.filter((_, i) => i % every === 0 || i === curve.length - 1)
}

/** Returns the mean of the curves at the steps that all of them have. */
const meanCurve = (curves: ReadonlyArray<Curve>): Curve => {
  const [first, ...rest] = curves.map((curve) => new Map(curve))
  if (first === undefined) return []
  return [...first].flatMap(([step, value]) => {
    const values = rest.map((curve) => curve.get(step))
    return values.every((number) => number !== undefined) ? [[step, mean([value, ...values])] as const] : []
  })
}

const training: Pick = (row) => (row.kind === "step" ? row.loss : null)
const validation: Pick = (row) => (row.kind === "evaluation" && row.split === "validation" ? row.loss : null)
const diagnosed =
  (pick: (mean: Extract<Row, { kind: "diagnostics" }>["mean"]) => number | null): Pick =>
  (row) =>
    row.kind === "diagnostics" ? pick(row.mean) : null

const averaged = (runs: ReadonlyArray<ReadonlyArray<Row>>): Omit<MethodCurves, "method" | "rank" | "seeds"> => {
  const of = (pick: Pick, shape: (curve: Curve) => Curve = (curve) => curve) =>
    thinned(meanCurve(runs.map((rows) => shape(curveOf(rows, pick)))))
  return {
    training: of(training, running),
    validation: of(validation),
    discrepancy: of(diagnosed(({ method }) => method.discrepancy)),
    scaledDiscrepancy: of(diagnosed(({ method }) => method.scaledDiscrepancy)),
    bestDiscrepancy: of(diagnosed(({ best }) => best.discrepancy))
  }
}

/** Reads the curves of the fresh runs at the best rates or, without these, of those at the common rate. `folder`: the study's folder. */
export const readCurves = (
  study: Study,
  results: ReadonlyArray<TrialResult>,
  folder: string
): Effect.Effect<ReadonlyArray<MethodCurves>, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const fresh = (["final", "common"] as const)
      .map((stage) => results.filter(({ trial }) => trial.stage === stage))
      .find((some) => some.length > 0)
    const groups = byMethodAndRank((fresh ?? []).filter((run) => scored(run, "test") || scored(run, "validation")))
    const curves = yield* Effect.forEach(groups, (runs) =>
      Effect.gen(function* () {
        const { method, rank } = runs[0]!.trial
        const rows = yield* Effect.forEach(runs, ({ directory }) =>
          rowsOf(path.join(folder, directory, "metrics.jsonl"))
        )
        return { method, rank, seeds: runs.length, ...averaged(rows) }
      })
    )
    return [...curves].sort((a, b) => study.methods.indexOf(a.method) - study.methods.indexOf(b.method))
  })
