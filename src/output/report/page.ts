/**
 * `report.html`: a finished run as one file that opens anywhere, offline: curves, tables, mistakes, and how to repeat it. It is made from the
 * files of the run folder alone, so it can be made again, and a run does not depend on it. Nothing is loaded, and nothing but its two
 * scripts can run.
 *
 * The content security policy names the scripts by their SHA-256 and forbids everything else, so a string that got past the
 * escaping could still not run or load anything.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { messageOf, percent, shellWord, wholeNumber } from "../../boundary/index.ts"
import { type FileError, fileError, sha256, writeFileAtomic } from "../../files/index.ts"
import { command, preparation } from "../invocation.ts"
import type { RunFolder } from "../run-folder.ts"
import { chartOptions, type Plot } from "./chart.ts"
import { drawPlots } from "./draw.ts"
import { gainOf } from "./gain.ts"
import { gainView } from "./gain-view.ts"
import { gradientPlots, gradientSeen } from "./gradient.ts"
import { element, embeddedJson, type Html, html, raw } from "./html.ts"
import { plotsOf } from "./plots.ts"
import { confusions, curves, evaluationTable, facts, gained, mistakes } from "./results.ts"
import { type ReportedKind, type RunRecord, readRun } from "./run-record.ts"
import { gainStyle, tokens } from "./tokens.ts"

/** uPlot's own files, as text. */
export interface PlotLibrary {
  readonly script: string
  readonly style: string
}

/** Provided by programs without packages on disk, such as a page; by default the files are read from the package. */
export const OwnPlotLibrary = Context.Reference<PlotLibrary | undefined>("tfjs-lora-pro/PlotLibrary", {
  defaultValue: () => undefined
})

const reportPage = (record: RunRecord, kind: ReportedKind, library: PlotLibrary): string => {
  const { run } = record
  const gain = gainOf(record, kind)
  const plots = { run: plotsOf(record, kind), gradient: gradientPlots(record.diagnostics) }
  const draw = `(${drawPlots.toString()})(uPlot, ${chartOptions.toString()})`
  const policy = [
    "default-src 'none'",
    `script-src ${sourceHash(library.script)} ${sourceHash(draw)}`,
    // widths and colours are set on elements
    "style-src 'unsafe-inline'",
    ...(record.pictures.length === 0 ? [] : ["img-src data:"]),
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
<style>${raw(library.style)}${raw(style)}${raw(gainStyle)}</style>
</head>
<body>
<header><h1>${run.name}</h1>${gain && gainView(element, gain)}<p class="lead">${gained(record, kind)}</p>${facts(record, kind)}</header>
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
const sourceHash = (script: string): string => `'sha256-${sha256().update(script).digest("base64")}'`

/** A report that cannot be written, with the reason. */
export class ReportError extends Schema.TaggedError<ReportError>()("ReportError", {
  /** the page's */
  file: Schema.String,
  /** reason, as the end of a sentence */
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
    const failed = (cause: unknown) => new ReportError({ file: folder.page, reason: messageOf(cause) })
    const record = yield* readRun(folder)
    const library = yield* plotLibrary(failed)
    const page = yield* Effect.try({ try: () => reportPage(record, kind, library), catch: failed })
    yield* writeFileAtomic(folder.page, page)
  })

// Resolved as a package, not by a path: in a user's project uPlot lies beside this package, not below it.
const plotLibrary = (failed: (cause: unknown) => ReportError) =>
  Effect.gen(function* () {
    const plotLibrary = yield* OwnPlotLibrary
    if (plotLibrary !== undefined) return plotLibrary
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

/** Style sheet: the reader's fonts and color scheme, for widths from 320 px and for print. */
export const style = `
${tokens}
@media print { :root { color-scheme: light; --ground: #ffffff; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: var(--text-3)/1.5 var(--font); overflow-wrap: anywhere; }
header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 clamp(1rem, 3vw, 2.5rem); }
header { padding-top: 2rem; }
footer { color: var(--quiet); font-size: .875rem; padding-top: 1rem; padding-bottom: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p { margin: .5rem 0; max-width: 70ch; }
.lead { font-size: 1.125rem; }
.gain + .lead { font-size: .875rem; color: var(--quiet); max-width: 90ch; }
.quiet { color: var(--quiet); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem 1.5rem; margin: 1.25rem 0 0; padding: 1rem 1.25rem; background: var(--paper); border: 1px solid var(--line); border-radius: .75rem; }
.facts dt { color: var(--quiet); font-size: .875rem; }
.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts .long { grid-column: span 2; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1.5rem 2rem; }
.grid > * { min-width: 0; }
.grid:has(.share) { display: flex; flex-wrap: wrap; }
.grid:has(.share) > * { max-width: 100%; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
figcaption .quiet { font-weight: 400; font-size: .875rem; }
.plot { min-height: 262px; }
.u-legend { font-size: .8125rem; font-variant-numeric: tabular-nums; }
.u-legend .u-value:empty { display: none; }
.u-legend .u-series:has(.u-value:empty) th::after { content: none; }
.u-legend .u-series:first-child:has(.u-value:empty) { display: none; }
.u-legend .u-marker { border-width: 3px 0 0 !important; height: 0; width: 1.25em; }
summary { font-size: .875rem; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.uplot table { margin: .25rem auto 0; }
caption { text-align: left; color: var(--quiet); font-size: .875rem; padding-bottom: .375rem; }
th, td { padding: .3125rem .75rem; text-align: right; vertical-align: top; }
.uplot th, .uplot td { padding: 0 .25rem; }
thead th { color: var(--quiet); font-weight: 500; font-size: .875rem; vertical-align: bottom; }
th[scope=row] { text-align: left; font-weight: 500; min-width: 7.5rem; max-width: 18rem; overflow-wrap: anywhere; }
thead th:first-child, thead th.text { text-align: left; }
thead th { max-width: 10rem; overflow-wrap: break-word; }
td:not(.text) { white-space: nowrap; }
main table:not(.uplot table) tbody tr { border-top: 1px solid var(--line); }
td.text { text-align: left; overflow-wrap: anywhere; min-width: 9rem; }
td.share { background: color-mix(in srgb, var(--tint) calc(var(--share) * 45%), transparent); }
td.share small { display: block; color: var(--ink); font-size: .75rem; }
ol.mistakes { padding-left: 0; list-style: none; margin: 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: .75rem 2rem; }
ol.mistakes li { border-left: 3px solid var(--wrong); padding: .125rem 0 .125rem .875rem; break-inside: avoid; }
ol.mistakes q { quotes: none; white-space: pre-wrap; }
ol.mistakes img { float: left; width: 4rem; max-height: 4rem; object-fit: contain; margin: .125rem .75rem .125rem 0; image-rendering: pixelated; }
ol.mistakes li { overflow: hidden; }
ol.mistakes p { margin: .125rem 0 0; font-size: .875rem; color: var(--quiet); }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin: .5rem 0; font: .8125rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; font-size: .875em; }
summary { cursor: pointer; }
@media print {
  body { font-size: 10pt; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  .grid, ol.mistakes { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .grid:has(table):not(:has(.plot)) { grid-template-columns: minmax(0, 1fr); }
  .scroll { overflow: visible; }
  h2 { break-after: avoid; }
  .u-legend .u-value { display: none !important; }
}
`

type Rows = ReadonlyArray<readonly [string, string | Html]>

const table = (caption: string, rows: Rows): Html => html`<div class="scroll"><table>
<caption>${caption}</caption>
<thead><tr><th scope="col">what</th><th scope="col" class="text">value</th></tr></thead>
<tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>`)}</tbody></table></div>`

const trainedOn = ({ run }: RunRecord): Html => {
  const { factors, dense, total, frozen } = run.trainable
  const all = total + frozen
  return html`<section><h2>What was trained</h2><div class="grid">${table("Parameters", [
    ["adapter factors", wholeNumber(factors)],
    ["trained in full (head, saved modules)", wholeNumber(dense)],
    ["trainable together", `${wholeNumber(total)} (${percent(all === 0 ? null : total / all)} of all)`],
    ["frozen", wholeNumber(frozen)]
  ])}${decidedRanks(run)}${table("Base model", [
    ["folder", run.base.path],
    ...Object.entries(run.base.sha256).map(([file, hash]) => [`${file}, SHA-256`, hash] as const)
  ])}${dataTable(run.data)}</div></section>`
}

/** Of an init that decides them. */
const decidedRanks = ({ ranks }: RunRecord["run"]): Html => {
  const all = Object.entries(ranks ?? {})
  const listedRanks = all.slice(0, MOST_RANKS).map(([site, rank]) => [site, wholeNumber(rank)] as const)
  const more =
    all.length > listedRanks.length
      ? [["further layers", `${all.length - listedRanks.length}, in run.json`] as const]
      : []
  return all.length === 0 ? html`` : table("Ranks chosen by the initialization", [...listedRanks, ...more])
}
const MOST_RANKS = 60

const dataTable = (data: RunRecord["run"]["data"]): Html => html`<div class="scroll"><table>
<caption>Data</caption>
<thead><tr><th scope="col">split</th><th scope="col">rows</th><th scope="col" class="text">classes and file</th></tr></thead>
<tbody>${data.map(({ split, where, rows, classes }) => {
  const each = condensed(classes.map(({ label, rows }) => `${label} ${wholeNumber(rows)}`))
  return html`<tr><th scope="row">${split}</th><td>${wholeNumber(rows)}</td><td class="text">${each}${each !== "" && raw("<br>")}<span class="quiet">${where}</span></td></tr>`
})}</tbody></table></div>`

const condensed = (parts: ReadonlyArray<string>): string =>
  parts.length <= 12 ? parts.join(", ") : `${parts.slice(0, 12).join(", ")} and ${parts.length - 12} more classes`

const machine = ({ run }: RunRecord): Html => {
  const device = Object.entries(run.device).filter(([, value]) => value !== null && typeof value !== "object")
  return html`<section><h2>Device and versions</h2><div class="grid">${table(
    "Device",
    device.map(([name, value]) => [name, String(value)])
  )}${table("Versions", Object.entries(run.versions))}</div></section>`
}

const planListing = ({ plan }: RunRecord): Html => html`<section><h2>Plan</h2>
<details><summary>plan.json, with every default filled in</summary><pre>${JSON.stringify(plan, null, 2)}</pre></details></section>`

/** What else must be the same for the same bits. */
const sameBits = ({ instructions, products }: RunRecord["run"]["device"], fused: boolean): string =>
  instructions !== undefined
    ? ` on a processor with ${[instructions, ...(products === undefined ? [] : [products])].join(" and ")}`
    : fused
      ? " on the same runtime"
      : ""

const reproduction = ({ run, plan }: RunRecord, { next }: ReportedKind): Html => {
  const { directory, device } = run
  const backend = typeof device["backend"] === "string" ? device["backend"] : "auto"
  const commands = [
    ...(preparation === undefined ? [] : [preparation]),
    command(`train ${shellWord(`${directory}/plan.json`)} --device ${shellWord(backend)}`),
    command(`evaluate ${shellWord(directory)}`),
    command(next(shellWord(directory)))
  ]
  const fused = (plan["training"] as { deterministic?: unknown } | undefined)?.deterministic === false
  const again =
    backend === "wasm" || backend === "native"
      ? `On ${backend}, with the same versions${sameBits(device, fused)}, the adapter is the same bit for bit, with any number of threads.`
      : `On ${backend} sums may be taken in another order, so numbers are close, but not the same bit for bit.`
  return html`<section><h2>Reproduce</h2>
<p>To train this run again, use its plan in the folder in which it was started (seed ${JSON.stringify(plan["seed"] ?? null)}). ${again}</p>
<pre><code>${commands.join("\n")}</code></pre></section>`
}
