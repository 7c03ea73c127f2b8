/**
 * `report.html` as one document: nothing is loaded, and nothing but its two scripts can run.
 *
 * The content security policy names the scripts by their SHA-256 and forbids everything else, so a string that got past the
 * escaping could still not run or load anything.
 */
import { createHash } from "node:crypto"
import { drawPlots } from "./draw.ts"
import { gradientSeen } from "./gradient.ts"
import { gradientPlots } from "./gradient-plots.ts"
import { embeddedJson, type Html, html, raw } from "./html.ts"
import { type Plot, plotsOf } from "./plots.ts"
import { machine, planListing, reproduction, trainedOn } from "./provenance.ts"
import { confusions, curves, evaluationTable, facts, gained, mistakes } from "./results.ts"
import type { ReportedKind, RunRecord } from "./run-record.ts"
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
