/**
 * `metrics.jsonl`: one JSON object a line, in the order things happened.
 *
 *   {"kind":"step","step":1,"loss":0.69,"learningRate":1.25e-05,"gradNorm":1.2,"tokensPerSecond":301,…}
 *   {"kind":"diagnostics","step":1,"mean":{"method":{"discrepancy":0.97,…},"best":{…}},"sites":[…],"warnings":[]}
 *   {"kind":"evaluation","step":40,"split":"validation","loss":0.31,"accuracy":0.87,"macroF1":0.87,…}
 *
 * Appended line by line, so that a run that ends early has said what it did.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type FileError, fileError, refuseLink } from "../files/index.ts"
import type { DiagnosticsReport, Evaluation, StepReport } from "../training/index.ts"

export type EvaluationReport = Evaluation & {
  readonly kind: "evaluation"
  /** steps taken before it; 0 is the untrained head */
  readonly step: number
  readonly split: "validation" | "test"
}

/** A line of the file. */
export type MetricsRow = StepReport | DiagnosticsReport | EvaluationReport

export const appendMetrics =
  (file: string) =>
  (row: MetricsRow): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* refuseLink(file)
      yield* fs.writeFileString(file, `${JSON.stringify(row)}\n`, { flag: "a" })
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error))))
