/**
 * `report.html`: a finished run as one file that opens anywhere, offline: curves, tables, mistakes, and how to repeat it.
 *
 * Made from the files of the run folder alone, so it can be made again, and a run does not depend on it.
 */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { type FileError, fileError, writeFileAtomic } from "../files/index.ts"
import { type PlotLibrary, reportPage } from "./report/page.ts"
import { type ReportedKind, readRun } from "./report/run-record.ts"
import type { RunFolder } from "./run-folder.ts"

export class ReportError extends Schema.TaggedError<ReportError>()("ReportError", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file} was not written: ${this.reason}`
  }
}

/** Writes `report.html` into a run folder that has plan.json, run.json and metrics.jsonl. */
export const writeReport = (
  folder: RunFolder,
  kind: ReportedKind
): Effect.Effect<void, FileError | ReportError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const failed = (cause: unknown) =>
      new ReportError({ file: folder.page, reason: cause instanceof Error ? cause.message : String(cause) })
    const record = yield* readRun(folder)
    const library = yield* plotLibrary(failed)
    const page = yield* Effect.try({ try: () => reportPage(record, kind, library), catch: failed })
    yield* writeFileAtomic(folder.page, page)
  })

// Resolved as a package, not by a path: in a user's project uPlot lies beside this package, not below it.
const plotLibrary = (failed: (cause: unknown) => ReportError) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const read = (file: string) =>
      Effect.try({ try: () => createRequire(import.meta.url).resolve(file), catch: failed }).pipe(
        Effect.flatMap((path) => fs.readFileString(path).pipe(Effect.mapError(fileError("read", path))))
      )
    const library: PlotLibrary = {
      script: yield* read("uplot/dist/uPlot.iife.min.js"),
      style: yield* read("uplot/dist/uPlot.min.css")
    }
    return library
  })
