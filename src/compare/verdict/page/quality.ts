/** Charts of the judged metric with intervals: by method, and by the cost of a method. */
import { capital, counted, number, wholeNumber } from "../../../boundary/index.ts"
import { type Html, html } from "../../../output/report/index.ts"
import { bare, drawn, formatValue, type Measure } from "../../measure.ts"
import type { Entry, Table } from "../verdict.ts"
import { domainOf, linear, type Scale } from "./chart.ts"

/** An entry with finished runs. */
type Scored = Entry & { readonly test: NonNullable<Entry["test"]> }

const scoredOf = ({ entries }: Table): ReadonlyArray<Scored> =>
  entries.filter((entry): entry is Scored => entry.test !== null)

const ends = ({ test }: Scored): readonly [number, number] => test.interval ?? [test.mean, test.mean]
const inWords = (measure: Measure, { name, test }: Scored): string => {
  const { mean, interval, n } = test
  const range = interval === null ? "" : `, ${bare(measure, interval[0])} to ${bare(measure, interval[1])}`
  return `${name} ${formatValue(measure, mean)}${range} (${counted(n, "run")})`
}

const domain = (measure: Measure, scored: ReadonlyArray<Scored>) =>
  domainOf(scored.flatMap(ends).map((end) => drawn(measure, end)))

/** Positions in units of the drawing, about one pixel on the screens of a layout. */
interface Layout {
  readonly name: "whole" | "narrow"
  readonly width: number
  readonly row: number
  /** left end of the intervals */
  readonly left: number
  readonly ticks: number
  /** the method's name: its position, and its distance above the interval */
  readonly label: { readonly x: number; readonly above: number; readonly anchor: "start" | "end" }
}

/** Layouts: names to the left of the intervals; on a phone, above them. */
const layouts: ReadonlyArray<Layout> = [
  { name: "whole", width: 760, row: 26, left: 230, ticks: 7, label: { x: 216, above: -4, anchor: "end" } },
  { name: "narrow", width: 360, row: 40, left: 12, ticks: 4, label: { x: 12, above: 10, anchor: "start" } }
]

const AXIS = 36

/** Returns a chart with one row per method, its mean and interval, and a line at plain LoRA's mean; null without a finished run. */
export const intervalChart = (measure: Measure, table: Table): Html | null => {
  const scored = scoredOf(table)
  if (scored.length === 0) return null
  const words = `${capital(measure.label)} on ${table.split}, mean and 95 % interval: ${scored.map((entry) => inWords(measure, entry)).join("; ")}.`
  return html`<figure class="wide"><figcaption>${capital(measure.label)} on ${table.split}, mean and 95 % interval over seeds <span class="quiet">${measure.unit}</span></figcaption>
${layouts.map((layout) => intervals(measure, scored, words, layout))}
<details><summary class="quiet">In words</summary><p class="quiet">${words}</p></details></figure>`
}

const intervals = (measure: Measure, scored: ReadonlyArray<Scored>, words: string, layout: Layout): Html => {
  const { name, width, row, left, ticks } = layout
  const height = scored.length * row + AXIS
  const x = linear(domain(measure, scored), left, width - 12, ticks)
  const lora = scored.find(({ method }) => method === "lora")
  return html`<svg class="${name}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${words}">
<g class="axis">${x.ticks.map((tick) => html`<line class="rule" x1="${at(x, tick)}" x2="${at(x, tick)}" y1="4" y2="${height - AXIS + 4}"/><text x="${at(x, tick)}" y="${height - 14}" text-anchor="middle">${number(tick)}</text>`)}</g>
${lora && html`<line class="base" x1="${at(x, drawn(measure, lora.test.mean))}" x2="${at(x, drawn(measure, lora.test.mean))}" y1="4" y2="${height - AXIS + 4}"/>`}
${scored.map((entry, i) => intervalRow(measure, entry, (i + 0.5) * row + 4, x, layout))}</svg>`
}

/** Intervals as positions from 0 to 1, for pages with their own drawing. */
export interface Intervals {
  readonly title: string
  readonly ticks: ReadonlyArray<{ readonly text: string; readonly at: number }>
  /** position of plain LoRA's mean; null if the table does not contain it */
  readonly base: number | null
  /** one row per method: its name, its mean and both ends of its interval */
  readonly rows: ReadonlyArray<{
    readonly name: string
    readonly says: string
    readonly low: number
    readonly mean: number
    readonly high: number
  }>
}

/** Returns the intervals of a table; null without a finished run. */
export const intervalsOf = (measure: Measure, table: Table): Intervals | null => {
  const scored = scoredOf(table)
  if (scored.length === 0) return null
  const x = linear(domain(measure, scored), 0, 1, 5)
  const position = (value: number) => x.at(drawn(measure, value))
  const lora = scored.find(({ method }) => method === "lora")
  return {
    title: `${capital(measure.label)} on ${table.split}, mean and 95 % interval over seeds`,
    ticks: x.ticks.map((tick) => ({ text: `${number(tick)}${measure.unit === "%" ? " %" : ""}`, at: x.at(tick) })),
    base: lora === undefined ? null : position(lora.test.mean),
    rows: scored.map((entry) => {
      const [low, high] = ends(entry).map(position) as [number, number]
      return { name: entry.name, says: inWords(measure, entry), low, mean: position(entry.test.mean), high }
    })
  }
}

const at = (scale: Scale, value: number): string => scale.at(value).toFixed(1)

/** Draws one row of the chart; `y`: its middle. */
const intervalRow = (measure: Measure, entry: Scored, y: number, x: Scale, { label }: Layout): Html => {
  const [low, high] = ends(entry).map((end) => drawn(measure, end)) as [number, number]
  const middle = y + Math.max(0, label.above)
  return html`<g><title>${inWords(measure, entry)}</title><text class="name" x="${label.x}" y="${middle - label.above - (label.above > 0 ? 2 : 0)}" text-anchor="${label.anchor}">${entry.name}</text>
<line class="first" x1="${at(x, low)}" x2="${at(x, high)}" y1="${middle}" y2="${middle}"/><circle class="first" cx="${at(x, drawn(measure, entry.test.mean))}" cy="${middle}" r="4.5"/></g>`
}

/** A cost of a method. */
export interface Cost {
  readonly title: string
  readonly unit: string
  readonly of: (entry: Entry) => number | null
}

export const costs: ReadonlyArray<Cost> = [
  { title: "seconds of training", unit: "seconds", of: ({ seconds }) => seconds },
  {
    title: "peak memory",
    unit: "MB",
    of: ({ peakBytes }) => (peakBytes === null ? null : peakBytes / 1e6)
  }
]

const frame = { width: 560, height: 320, left: 48, right: 350, top: 14, bottom: 276, label: 366, gap: 17 }

/** Returns vertical positions of labels in a column at the right, without overlaps, in the order of their points. */
const labelPlaces = (preferred: ReadonlyArray<number>): ReadonlyArray<number> => {
  const order = preferred.map((_, i) => i).sort((a, b) => preferred[a]! - preferred[b]!)
  const places = new Array<number>(preferred.length)
  let next = frame.top + 4
  for (const i of order) {
    places[i] = Math.max(next, preferred[i]!)
    next = places[i]! + frame.gap
  }
  // labels below the lower edge move up, and push those above them
  let limit = Math.max(frame.bottom + 8, frame.top + 4 + (preferred.length - 1) * frame.gap)
  for (const i of order.reverse()) {
    places[i] = Math.min(places[i]!, limit)
    limit = places[i]! - frame.gap
  }
  return places
}

export const costChart = (measure: Measure, table: Table, cost: Cost): Html | null => {
  const points = scoredOf(table).flatMap((entry) => {
    const value = cost.of(entry)
    return value === null ? [] : [{ entry, value }]
  })
  if (points.length === 0) return null
  const x = linear(domainOf(points.map(({ value }) => value)), frame.left, frame.right, 5)
  const y = linear(
    domain(
      measure,
      points.map(({ entry }) => entry)
    ),
    frame.bottom,
    frame.top,
    5
  )
  const height = Math.max(frame.height, frame.top + points.length * frame.gap + 20)
  const labels = labelPlaces(points.map(({ entry }) => y.at(drawn(measure, entry.test.mean))))
  const title = `${capital(measure.label)} against ${cost.title}`
  const words = `${title}: ${points.map(({ entry, value }) => `${inWords(measure, entry)} at ${wholeNumber(Math.round(value))} ${cost.unit}`).join("; ")}.`
  return html`<figure><figcaption>${title} <span class="quiet">${measure.unit}, over ${cost.unit}</span></figcaption>
<svg viewBox="0 0 ${frame.width} ${height}" role="img" aria-label="${words}"><g class="axis">
${y.ticks.map((tick) => html`<line class="rule" x1="${frame.left}" x2="${frame.right}" y1="${at(y, tick)}" y2="${at(y, tick)}"/><text x="${frame.left - 6}" y="${(y.at(tick) + 4).toFixed(1)}" text-anchor="end">${number(tick)}</text>`)}
${x.ticks.map((tick) => html`<text x="${at(x, tick)}" y="${frame.bottom + 20}" text-anchor="middle">${number(tick)}</text>`)}
<text x="${(frame.left + frame.right) / 2}" y="${frame.bottom + 38}" text-anchor="middle">${cost.unit}</text></g>
${points.map(({ entry, value }, i) => costPoint(measure, entry, x.at(value), y, labels[i]!))}</svg>
<details><summary class="quiet">In words</summary><p class="quiet">${words}</p></details></figure>`
}

const costPoint = (measure: Measure, entry: Scored, x: number, y: Scale, label: number): Html => {
  const [low, high] = ends(entry).map((end) => drawn(measure, end)) as [number, number]
  const middle = y.at(drawn(measure, entry.test.mean))
  return html`<g><title>${inWords(measure, entry)}</title><line class="lead" x1="${x.toFixed(1)}" x2="${frame.label - 4}" y1="${middle.toFixed(1)}" y2="${label.toFixed(1)}"/>
<line class="first thin" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${at(y, low)}" y2="${at(y, high)}"/><circle class="first" cx="${x.toFixed(1)}" cy="${middle.toFixed(1)}" r="4.5"/>
<text class="name" x="${frame.label}" y="${(label + 4).toFixed(1)}">${entry.name}</text></g>`
}
