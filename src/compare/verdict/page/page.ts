/** `compare.html` as one self-contained document. The content security policy allows no script; charts are SVG within the page. */

import { counted, scientific, shellWord } from "../../../boundary/index.ts"
import { versions } from "../../../output/index.ts"
import { command } from "../../../output/invocation.ts"
import { type Html, html, raw, style as reportStyle } from "../../../output/report/index.ts"
import { comparedMethods } from "../../methods.ts"
import type { Curve, MethodCurves } from "../curves.ts"
import { claimsOf, deviceLines, leadOf } from "../sentences.ts"
import type { Verdict } from "../verdict.ts"
import { type Chart, chart, domainOf } from "./chart.ts"
import { costChart, costs, intervalChart } from "./quality.ts"
import { allRuns, costTable, failedRuns, sweepTable, verdictTable } from "./tables.ts"

const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** Formats a method and its rank as tables do. */
export type NameOf = (method: string, rank: number | null) => string

export const comparePage = (verdict: Verdict, curves: ReadonlyArray<MethodCurves>, nameOf: NameOf): string => {
  const { study } = verdict
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${study.name}: methods compared</title>
<style>${raw(reportStyle)}${raw(style)}</style>
</head>
<body>
<header><h1>${study.name}: methods compared</h1><p class="lead">${leadOf(verdict)}</p></header>
<main>
${[warnings(verdict), final(verdict), common(verdict), sweeps(verdict), cost(verdict), losses(curves, nameOf)]}
${[discrepancies(curves, nameOf), failedRuns(verdict), allRuns(verdict), machine(verdict), again(verdict)]}
</main>
<footer>Written by tfjs-lora-pro ${versions()["tfjs-lora-pro"]} from results.json and the metrics.jsonl of the runs; compare.json has the same numbers.</footer>
</body>
</html>
`.source
  }`
}

const warnings = ({ warnings: all }: Verdict): Html | null =>
  all.length === 0
    ? null
    : html`<section><h2>Before you read</h2><ul>${all.map((warning) => html`<li>${warning}</li>`)}</ul></section>`

const final = (verdict: Verdict): Html | null =>
  verdict.final &&
  html`<section><h2>Each method at its best rate</h2><p>The rate with the lowest validation loss in the sweep; these runs have seeds that the sweep did not see.</p>
${intervalChart(verdict.measure, verdict.final)}${verdictTable(verdict.final, verdict)}</section>`

const common = (verdict: Verdict): Html | null =>
  verdict.common &&
  html`<section><h2>Every method at one rate, ${scientific(verdict.study.commonRate)}</h2><p>What a user without time to search for a rate would see. Judged by ${verdict.measure.label} on ${verdict.common.split}. ${claimsOf(verdict.measure, verdict.common)}</p>
${intervalChart(verdict.measure, verdict.common)}${verdictTable(verdict.common, verdict)}</section>`

const sweeps = (verdict: Verdict): Html | null => {
  if (verdict.sweeps.length === 0) return null
  const charts = verdict.sweeps.map(({ name, points, best }) => {
    const measured = points.flatMap(({ learningRate, loss }): Curve => (loss === null ? [] : [[learningRate, loss]]))
    const chosen = measured.find(([rate]) => rate === best)
    const failed = points.filter(({ failed }) => failed > 0).map(({ learningRate }) => scientific(learningRate))
    return chart({
      title: name,
      x: "learning rate",
      y: "validation loss",
      series: [{ label: "validation loss", points: measured, look: "first" }],
      rates: points.map(({ learningRate }) => learningRate),
      ...(chosen === undefined ? {} : { chosen }),
      ...(failed.length === 0 ? {} : { note: `runs failed at ${failed.join(", ")}` })
    } satisfies Chart)
  })
  return html`<section><h2>The rate sweep</h2><p class="quiet">Mean over ${counted(verdict.study.seeds.length, "sweep seed")}; the ringed rate was chosen. Each chart has its own vertical axis.</p>
<div class="grid small">${charts}</div>${sweepTable(verdict)}</section>`
}

const cost = (verdict: Verdict): Html | null => {
  const { final: best, common, measure } = verdict
  const table = best ?? common
  if (table === null) return null
  const charts = costs.map((cost) => costChart(measure, table, cost)).filter((part) => part !== null)
  return charts.length === 0
    ? null
    : html`<section><h2>Cost against quality</h2><div class="grid">${charts}</div>${costTable(table, verdict)}</section>`
}

/**
 * Returns one domain for all charts, so that heights are comparable; ignores the largest hundredth of the values, so that a diverged run
 * does not flatten the others.
 */
const sharedDomain = (curves: ReadonlyArray<Curve>): readonly [number, number] | undefined => {
  const values = curves.flatMap((curve) => curve.map(([, value]) => value)).sort((a, b) => a - b)
  if (values.length === 0) return undefined
  const most = values[Math.floor(0.99 * (values.length - 1))]!
  return domainOf([values[0]!, most])
}

const losses = (curves: ReadonlyArray<MethodCurves>, nameOf: NameOf): Html | null => {
  const domain = sharedDomain(curves.flatMap(({ training, validation }) => [training, validation]))
  const lora = curves.find(({ method }) => method === "lora")
  const charts = curves
    .filter(({ training, validation }) => training.length + validation.length > 0)
    .map(({ method, rank, training, validation }) =>
      chart({
        title: nameOf(method, rank),
        x: "step",
        y: "",
        series: [
          ...(lora === undefined || method === "lora"
            ? []
            : [{ label: "LoRA, training", points: lora.training, look: "faint" } as const]),
          { label: "training", points: training, look: "first" },
          { label: "validation", points: validation, look: "second" }
        ],
        ...(domain === undefined ? {} : { domain })
      })
    )
    .filter((part) => part !== null)
  if (charts.length === 0) return null
  return html`<section><h2>Losses</h2><p class="quiet">Means over the fresh seeds at each method's rate; the training loss is a running mean. All charts have the same axes; values above them are drawn at the edge.</p>
<div class="grid small">${charts}</div></section>`
}

const discrepancies = (curves: ReadonlyArray<MethodCurves>, nameOf: NameOf): Html | null => {
  const withDiscrepancy = curves.filter(({ discrepancy }) => discrepancy.length > 0)
  if (withDiscrepancy.length === 0) return null
  const domain = sharedDomain(
    withDiscrepancy.flatMap(({ discrepancy, bestDiscrepancy }) => [discrepancy, bestDiscrepancy])
  )
  const charts = withDiscrepancy.map(({ method, rank, discrepancy, scaledDiscrepancy, bestDiscrepancy }) =>
    chart({
      title: nameOf(method, rank),
      x: "step",
      y: "‖g − g̃‖ / ‖g‖",
      series: [
        { label: "method", points: discrepancy, look: "first" },
        { label: "method, with the best factor", points: scaledDiscrepancy, look: "third" },
        { label: "best possible", points: bestDiscrepancy, look: "second" }
      ],
      ...(domain === undefined ? {} : { domain })
    })
  )
  return html`<section><h2>How far the equivalent gradient is from the full one</h2><p class="quiet">Means over adapted sites and seeds. g is the gradient of the loss with respect to W, g̃ is the method's equivalent gradient, before moments and learning rate; the best possible is the projection of g onto the updates that A and B can make. A value above the axis is drawn at its edge.</p>
<div class="grid small">${charts}</div></section>`
}

const machine = (verdict: Verdict): Html => {
  const { study } = verdict
  const { plan: _, ...rest } = study
  return html`<section><h2>Plan and hardware</h2><ul>${deviceLines(verdict).map((line) => html`<li>${line}</li>`)}${Object.entries(versions()).map(([name, version]) => html`<li>${name} ${version}</li>`)}</ul>
<details><summary>the plan that all runs share, with every default filled in</summary><pre>${JSON.stringify(study.plan, null, 2)}</pre></details>
<details><summary>the study</summary><pre>${JSON.stringify(rest, null, 2)}</pre></details></section>`
}

/** Returns the flag for the grid of learning rates: [] if every method has its default grid; null if no flag expresses the grids. */
const ratesFlag = ({ methods, learningRates }: Verdict["study"]): ReadonlyArray<string> | null => {
  const table: Readonly<Record<string, { readonly learningRates: ReadonlyArray<number> }>> = comparedMethods
  const usualRates = (method: string) => (Object.hasOwn(table, method) ? table[method]!.learningRates : [])
  // a method without a grid always uses the head's rate
  const withGrid = methods.filter((method) => usualRates(method).length > 0)
  const grids = withGrid.map((method) => (learningRates[method] ?? []).join(","))
  if (withGrid.every((method, i) => usualRates(method).join(",") === grids[i])) return []
  return new Set(grids).size === 1 ? [`--learning-rates ${grids[0]}`] : null
}

const again = ({ study }: Verdict): Html => {
  const { methods, ranks, seeds, freshSeeds, learningRates, strategy, commonRate } = study
  const grid = ratesFlag(study)
  const flags = [
    `--methods ${methods.map(shellWord).join(",")}`,
    ...(grid ?? []),
    ...(ranks.length > 0 ? [`--ranks ${ranks.join(",")}`] : []),
    `--seeds ${seeds.length}`,
    `--fresh-seeds ${freshSeeds.length}`,
    ...(commonRate === null ? [] : [`--common-rate ${commonRate}`]),
    ...flagOf[strategy],
    `--device ${study.device}`
  ]
  const rates = methods
    .map((method) => `${method}: ${(learningRates[method] ?? []).map((rate) => scientific(rate)).join(", ")}`)
    .join("; ")
  return html`<section><h2>Repeat</h2><p>Save the plan above to a file; rates tried: ${rates}. Run the same command in the same folder again to resume.</p>
<pre><code>${command(`compare plan.json ${flags.join(" ")}`)}</code></pre></section>`
}

/** Flags of `compare` by the strategy of the sweep. */
const flagOf = { grid: [], halving: ["--halving"], widening: ["--widen"] } satisfies {
  readonly [Name in Verdict["study"]["strategy"]]: ReadonlyArray<string>
}

/** Styles of the page in addition to those of reports: SVG charts in the reader's colour scheme. */
const style = `
.grid.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
figure.wide svg { max-width: 60rem; }
figure.wide svg.narrow { display: none; }
@media screen and (max-width: 40rem) { figure.wide svg.whole { display: none; } figure.wide svg.narrow { display: block; } }
section > .scroll th, section > .scroll td { padding-left: .375rem; padding-right: .375rem; }
svg text { fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg text.name { fill: var(--ink); font-size: 12px; }
svg line.rule { stroke: var(--line); }
svg line.base { stroke: var(--quiet); stroke-dasharray: 4 4; }
svg line.lead { stroke: var(--line); }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg line.first { stroke-width: 3; stroke-linecap: round; }
svg line.thin { stroke-width: 1.5; }
svg .first { stroke: var(--tint); } svg circle.first { fill: var(--tint); }
svg .second { stroke: var(--second); } svg circle.second { fill: var(--second); }
svg .third { stroke: var(--third); } svg circle.third { fill: var(--third); }
svg .faint { stroke: var(--quiet); stroke-width: 1.25; stroke-dasharray: 2 3; }
svg circle.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.legend { font-size: .8125rem; margin: .25rem 0; }
.legend span { margin-right: .75rem; }
.legend .first::before, .legend .second::before, .legend .third::before, .legend .faint::before { content: ""; display: inline-block; width: 1.25em; border-top: 3px solid var(--tint); margin-right: .375em; vertical-align: middle; }
.legend .second::before { border-color: var(--second); } .legend .third::before { border-color: var(--third); }
.legend .faint::before { border-top: 2px dotted var(--quiet); }
td.difference { min-width: 11rem; }
td.ahead, td.behind { font-weight: 600; }
td.difference .quiet { font-weight: 400; }
tr.failed th, tr.failed td { color: var(--quiet); }
td.chosen { font-weight: 600; outline: 1px solid var(--ink); outline-offset: -2px; }
`
