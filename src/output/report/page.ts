/**
 * `report.html`: a finished run as one file that opens anywhere, offline: curves, tables, mistakes, and how to repeat it. It is made from the
 * files of the run folder alone, so it can be made again, and a run does not depend on it. Nothing is loaded, and nothing but its two
 * scripts can run.
 *
 * The content security policy names the scripts by their SHA-256 and forbids everything else, so a string that got past the
 * escaping could still not run or load anything.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { type FileError, fileError, writeFileAtomic } from "../../files/index.ts"
import { createHash } from "../inputs.ts"
import type { RunFolder } from "../run-folder.ts"
import { drawPlots } from "./draw.ts"
import { gradientPlots, gradientSeen } from "./gradient.ts"
import { embeddedJson, type Html, html, raw } from "./html.ts"
import { type Plot, plotsOf } from "./plots.ts"
import { machine, planListing, reproduction, trainedOn } from "./provenance.ts"
import { confusions, curves, evaluationTable, facts, gained, mistakes } from "./results.ts"
import { type ReportedKind, type RunRecord, readRun } from "./run-record.ts"
import { style } from "./style.ts"

/** uPlot's own files, as text. */
export interface PlotLibrary {
  readonly script: string
  readonly style: string
}

export const reportPage = (record: RunRecord, kind: ReportedKind, library: PlotLibrary): string => {
  const { run } = record
  const plots = { run: plotsOf(record, kind), gradient: gradientPlots(record.diagnostics) }
  const draw = `(${drawPlots.toString()})(uPlot)`
  const policy = [
    "default-src 'none'",
    `script-src ${sourceHash(library.script)} ${sourceHash(draw)}`,
    // widths and colours are set on elements
    "style-src 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'"
  ].join("; ")
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${run.name}: report of a training run</title>
<style>${raw(library.style)}${raw(style)}</style>
</head>
<body>
<header><h1>${run.name}</h1><p class="lead">${gained(record, kind)}</p>${facts(record, kind)}</header>
<main>
${body(record, kind, plots)}
</main>
<footer>Written by tfjs-lora-pro ${run.versions["tfjs-lora-pro"]} from run.json, plan.json and metrics.jsonl in ${run.directory}.</footer>
<script type="application/json" id="plots">${embeddedJson([...plots.run, ...plots.gradient])}</script>
<script>${raw(library.script)}</script>
<script>${raw(draw)}</script>
</body>
</html>
`.source
  }`
}

/** What the page draws, by the section it is drawn in. */
interface Plots {
  readonly run: ReadonlyArray<Plot>
  readonly gradient: ReadonlyArray<Plot>
}

const body = (record: RunRecord, kind: ReportedKind, plots: Plots): ReadonlyArray<Html | null> => [
  curves(plots.run),
  gradientSeen(record.diagnostics, plots.gradient),
  evaluationTable(record, kind),
  confusions(record),
  mistakes(record),
  trainedOn(record),
  machine(record),
  planListing(record),
  reproduction(record, kind)
]

/** A source expression of a content security policy for an inline script. */
const sourceHash = (script: string): string => `'sha256-${createHash("sha256").update(script).digest("base64")}'`

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
      Effect.try({
        try: () =>
          process
            .getBuiltinModule("node:module")
            .createRequire(import.meta.url)
            .resolve(file),
        catch: failed
      }).pipe(Effect.flatMap((path) => fs.readFileString(path).pipe(Effect.mapError(fileError("read", path)))))
    const library: PlotLibrary = {
      script: yield* read("uplot/dist/uPlot.iife.min.js"),
      style: yield* read("uplot/dist/uPlot.min.css")
    }
    return library
  })
