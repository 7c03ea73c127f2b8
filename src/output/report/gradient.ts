/** Plots of the full gradient: curves, and a heat map of the sites by depth and type of weight. */

import { number, score, wholeNumber } from "../../boundary/index.ts"
import type { Plot, Series } from "./chart.ts"
import { type Html, html } from "./html.ts"
import { grouped, plotOver, rounded, roundedOrNull } from "./plots.ts"
import { figure } from "./results.ts"
import type { Diagnostics, Site } from "./run-record.ts"

// More would not be read.
const WARNINGS = 5

/** Splits a site's name into depth and type of weight: encoder.layer.3.attention.self.query → encoder.layer.3 and attention.self.query. */
export const placeOf = (site: string): { readonly depth: string; readonly type: string } => {
  const segments = site.split(".")
  const layer = segments.findIndex((segment) => /^\d+$/.test(segment))
  if (layer < 0 || layer === segments.length - 1) return { depth: "–", type: site }
  return { depth: segments.slice(0, layer + 1).join("."), type: segments.slice(layer + 1).join(".") }
}

export const gradientSeen = (probes: ReadonlyArray<Diagnostics>, plots: ReadonlyArray<Plot>): Html | null => {
  if (probes.length === 0) return null
  const sites = probes[0]!.sites.length
  return html`<section><h2>The full gradient</h2>
<p class="quiet">At ${wholeNumber(probes.length)} steps and ${wholeNumber(sites)} layers: g is the gradient that full fine-tuning would follow, and g̃ = s(B·dA + dB·A) is the method's equivalent gradient. The best possible is the projection of g onto all updates that A and B can make. A distance of 0 means the same as full fine-tuning, 1 means no common direction. Where the method reaches the best possible, its line covers the other.</p>
${theorem(probes)}<div class="grid">${plots.map(figure)}</div>
${heatMap(probes)}</section>`
}

/** Returns the result of the live assertion. */
const theorem = (probes: ReadonlyArray<Diagnostics>): Html | null => {
  const checks = probes.flatMap(({ sites }) => sites.flatMap(({ theorem: check }) => check ?? []))
  if (checks.length === 0) return null
  const judged = checks.filter(({ tolerance, fromDamped }) => tolerance !== null && fromDamped !== null)
  const largest = judged.reduce((most, { fromDamped }) => Math.max(most, fromDamped!), 0)
  const warnings = probes.flatMap((probe) => probe.warnings)
  const result =
    warnings.length === 0
      ? html`holds at ${wholeNumber(judged.length)} of ${wholeNumber(checks.length)} probes of a layer, to ${number(largest)} of ‖g‖ (with its damping)${judged.length < checks.length && "; at the others float32 is too imprecise to tell"}.`
      : html`<strong>does not hold</strong> at ${wholeNumber(warnings.length)} of ${wholeNumber(checks.length)} probes of a layer:`
  const items = warnings.slice(0, WARNINGS).map((warning) => html`<li>${warning}</li>`)
  const left = warnings.length - items.length
  return html`<p>LoRA-Pro's theorem ${result}</p>${items.length > 0 && html`<ul>${items}${left > 0 && html`<li>and ${wholeNumber(left)} more in metrics.jsonl</li>`}</ul>`}`
}

/** Returns a name that may break after each dot. */
const broken = (name: string): ReadonlyArray<Html> =>
  name.split(/(?<=\.)/).map((segment, i) => html`${i > 0 && html`<wbr>`}${segment}`)

interface Cell {
  readonly method: number | null
  readonly best: number | null
}

/** Returns the mean over the probes for each site, by name. */
const cellsOf = (probes: ReadonlyArray<Diagnostics>): ReadonlyMap<string, Cell> => {
  const cells = new Map<string, Cell>()
  for (const name of new Set(probes.flatMap(({ sites }) => sites.map(({ site }) => site)))) {
    const ofSite = probes.flatMap(({ sites }) => sites.filter(({ site }) => site === name))
    cells.set(name, {
      method: meanOf(ofSite.map(({ method }) => method.discrepancy)),
      best: meanOf(ofSite.map(({ best }) => best.discrepancy))
    })
  }
  return cells
}

const heatMap = (probes: ReadonlyArray<Diagnostics>): Html => {
  const cells = cellsOf(probes)
  const names = [...cells.keys()]
  const depths = [...new Set(names.map((name) => placeOf(name).depth))]
  const types = [...new Set(names.map((name) => placeOf(name).type))]
  const byPlace = new Map(
    names.map((name) => [JSON.stringify([placeOf(name).depth, placeOf(name).type]), cells.get(name)!])
  )
  const values = [...cells.values()].flatMap(({ method }) => method ?? [])
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const cell = (depth: string, type: string) => {
    const { method = null, best = null } = byPlace.get(JSON.stringify([depth, type])) ?? {}
    if (method === null) return html`<td>${score(null)}</td>`
    const share = high > low ? (method - low) / (high - low) : 0
    return html`<td class="share" style="--share:${share.toFixed(3)}">${score(method)}<small>best ${score(best)}</small></td>`
  }
  return html`<h3>By depth and type of weight</h3><div class="scroll" tabindex="0" role="region" aria-label="Distance to the full gradient by layer"><table>
<caption>Distance of the method to the full gradient, mean over the probes, with the best possible below it; darker means farther</caption>
<thead><tr><th scope="col">layer</th>${types.map((type) => html`<th scope="col">${broken(type)}</th>`)}</tr></thead>
<tbody>${depths.map(
    (depth) => html`<tr><th scope="row">${depth}</th>${types.map((type) => cell(depth, type))}</tr>
`
  )}</tbody></table></div>`
}

/**
 * Selects a curve's value of a site. The median site is a solid line, the worst a dashed one. With more probes than points, each point is the mean
 * of the medians and the worst of the worst.
 */
type Pick = (site: Site) => number | null
type Worst = (...values: ReadonlyArray<number>) => number

const known = (values: ReadonlyArray<number | null>): ReadonlyArray<number> => values.filter((value) => value !== null)

const median = (values: ReadonlyArray<number>): number | null => {
  const order = [...values].sort((a, b) => a - b)
  const middle = order.length >> 1
  if (order.length === 0) return null
  return order.length % 2 === 1 ? order[middle]! : (order[middle - 1]! + order[middle]!) / 2
}

/** Returns the mean of the values that are not null, or null if there is no such value. */
export const meanOf = (values: ReadonlyArray<number | null>): number | null => {
  const all = known(values)
  return all.length === 0 ? null : all.reduce((sum, value) => sum + value / all.length, 0)
}

/** Returns every plot for which the probes have values. */
export const gradientPlots = (probes: ReadonlyArray<Diagnostics>): ReadonlyArray<Plot> => {
  const groups = grouped(probes)
  const x = groups.map((group) => group.at(-1)!.step)
  const each = (pick: Pick) => groups.map((group) => group.map(({ sites }) => known(sites.map(pick))))
  const middle = (label: string, colour: number, pick: Pick, kind: Series["kind"] = "line"): Series => ({
    label,
    values: each(pick).map((group) => roundedOrNull(meanOf(group.map(median)))),
    colour,
    kind
  })
  const worst = (label: string, colour: number, pick: Pick, of: Worst): Series => ({
    label,
    values: each(pick).map((group) => (group.flat().length === 0 ? null : rounded(of(...group.flat())))),
    colour,
    kind: "dashed"
  })
  const both = (name: string, colour: number, pick: Pick, of: Worst) => [
    middle(`${name}median`, colour, pick),
    worst(`${name}worst site`, colour, pick, of)
  ]
  const plot = plotOver(x)
  return [
    plot("discrepancy", "Distance to the full gradient", "‖g − g̃‖ / ‖g‖", false, [
      ...both("best possible, ", 1, ({ best }) => best.discrepancy, Math.max),
      middle("method with the best factor, median", 0, ({ method }) => method.scaledDiscrepancy, "faint"),
      ...both("method, ", 0, ({ method }) => method.discrepancy, Math.max)
    ]),
    plot("cosine", "Cosine with the full gradient", "cos(g, g̃)", false, [
      ...both("best possible, ", 1, ({ best }) => best.cosine, Math.min),
      ...both("method, ", 0, ({ method }) => method.cosine, Math.min),
      middle("step taken, median", 2, ({ stepCosine }) => stepCosine)
    ]),
    plot("condition", "Condition of the factors", "σ_max / σ_min", true, [
      ...both("A, ", 0, ({ A }) => A.condition, Math.max),
      ...both("B, ", 1, ({ B }) => B.condition, Math.max)
    ]),
    plot(
      "effective-rank",
      "Effective rank of ΔW",
      "exp of the singular values' entropy",
      false,
      both("", 0, ({ effectiveRank }) => effectiveRank, Math.min)
    ),
    plot(
      "gauge",
      "Gauge of the factors",
      "‖A‖ / ‖B‖",
      true,
      both("", 0, ({ gauge }) => gauge, Math.max)
    )
  ].filter(({ series }) => series.length > 0)
}
