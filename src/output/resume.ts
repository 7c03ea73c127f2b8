/**
 * What may go on as the same run, and what has to be the same again before it does: the plan, the inputs, and metrics that end
 * where the checkpoint stands.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { type FileError, fileError, writeFileAtomic } from "../files/index.ts"
import type { MetricsRow } from "./metrics.ts"

export class PlanChanged extends Schema.TaggedError<PlanChanged>()("PlanChanged", {
  directory: Schema.String,
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return [
      `${this.directory} cannot go on: a resumed run is the same run, but these are not what its checkpoint was trained with; restore them or start a new run:`,
      ...this.differences.map((difference) => `  ${difference}`)
    ].join("\n")
  }
}

export class NoCheckpoint extends Schema.TaggedError<NoCheckpoint>()("NoCheckpoint", {
  directory: Schema.String,
  steps: Schema.Number
}) {
  override get message() {
    return `${this.directory} is finished after ${this.steps} steps and has no whole checkpoint to go on from: its results are left as they are; train its plan.json as a new run`
  }
}

/** Fields that may differ: how long the run is, how often it looks and saves, and what does not change a result. */
const MAY_DIFFER = [
  "training.steps",
  "training.epochs",
  "training.evaluateEvery",
  "training.evaluateRows",
  "training.evaluateBatchSize",
  "training.diagnostics",
  "training.recompute",
  "training.threads",
  "output"
]

/** `path: trained with x, now y` for every field that differs and may not. */
export const planDifferences = (trained: unknown, now: unknown): ReadonlyArray<string> => {
  const differences = (before: unknown, after: unknown, path: string): ReadonlyArray<string> => {
    if (MAY_DIFFER.includes(path)) return []
    if (isRecord(before) && isRecord(after)) {
      const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
      return keys.flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`))
    }
    const [was, is] = [JSON.stringify(before), JSON.stringify(after)]
    return was === is ? [] : [`${path}: trained with ${was ?? "nothing"}, now ${is ?? "nothing"}`]
  }
  return differences(trained, now, "")
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Cuts metrics.jsonl to what the first `step` steps reported, and returns it. Rows after that are computed again, identically;
 * so is the evaluation at the end of the run (`steps`). A last line that a killed process left half-written goes too.
 */
export const cutMetrics = (
  file: string,
  step: number,
  steps: number
): Effect.Effect<ReadonlyArray<MetricsRow>, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const exists = yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false))
    const text = exists ? yield* fs.readFileString(file).pipe(Effect.mapError(fileError("read", file))) : ""
    const rows = text.split("\n").flatMap((line): ReadonlyArray<MetricsRow> => {
      const row = parsed(line)
      if (row === undefined || row.step > step) return []
      return row.kind === "evaluation" && row.step > 0 && row.step >= steps ? [] : [row]
    })
    yield* writeFileAtomic(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
    return rows
  })

const parsed = (line: string): MetricsRow | undefined => {
  try {
    const row: unknown = JSON.parse(line)
    return isRecord(row) && typeof row["step"] === "number" ? (row as unknown as MetricsRow) : undefined
  } catch {
    return undefined
  }
}
