/** Accuracy with its interval, method by method, and against what a method costs. */
import { type Html, html } from "../../../output/report/html.ts"
import { count, number } from "../../../output/report/numbers.ts"
import type { Entry, Table } from "../verdict.ts"
import { domainOf, linear, type Scale } from "./scale.ts"

/** An entry with runs to show. */
type Scored = Entry & { readonly test: NonNullable<Entry["test"]> }

const scoredOf = ({ entries }: Table): ReadonlyArray<Scored> =>
  entries.filter((entry): entry is Scored => entry.test !== null)

const percent = (share: number): number => 100 * share
const ends = ({ test }: Scored): readonly [number, number] => test.interval ?? [test.mean, test.mean]
const inWords = ({ name, test }: Scored): string => {
  const { mean, interval, n } = test
  const range = interval === null ? "" : `, ${percent(interval[0]).toFixed(1)} to ${percent(interval[1]).toFixed(1)}`
  return `${name} ${percent(mean).toFixed(1)} %${range} (${n} ${n === 1 ? "run" : "runs"})`
}

const domain = (scored: ReadonlyArray<Scored>) => domainOf(scored.flatMap(ends).map(percent))

const [WIDTH, ROW, LEFT, AXIS] = [760, 26, 230, 36]

/** One row a method: its mean and the interval for it, and a line at plain LoRA's mean. */
export const intervalChart = (table: Table): Html | null => {
  const scored = scoredOf(table)
  if (scored.length === 0) return null
  const height = scored.length * ROW + AXIS
  const x = linear(domain(scored), LEFT, WIDTH - 12, 7)
  const words = `Accuracy on ${table.split}, mean and 95 % interval: ${scored.map(inWords).join("; ")}.`
  const lora = scored.find(({ method }) => method === "lora")
  return html`<figure class="wide"><figcaption>Accuracy on ${table.split}, mean and 95 % interval over seeds <span class="quiet">%</span></figcaption>
<div class="scroll" tabindex="0" role="region" aria-label="Intervals"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${words}">
<g class="axis">${x.ticks.map((tick) => html`<line class="rule" x1="${at(x, tick)}" x2="${at(x, tick)}" y1="4" y2="${height - AXIS + 4}"/><text x="${at(x, tick)}" y="${height - 14}" text-anchor="middle">${number(tick)}</text>`)}</g>
${lora && html`<line class="base" x1="${at(x, percent(lora.test.mean))}" x2="${at(x, percent(lora.test.mean))}" y1="4" y2="${height - AXIS + 4}"/>`}
${scored.map((entry, i) => intervalRow(entry, (i + 0.5) * ROW + 4, x))}</svg></div>
<details><summary class="quiet">in words</summary><p class="quiet">${words}</p></details></figure>`
}

const at = (scale: Scale, value: number): string => scale.at(value).toFixed(1)

const intervalRow = (entry: Scored, y: number, x: Scale): Html => {
  const [low, high] = ends(entry).map(percent) as [number, number]
  return html`<g><title>${inWords(entry)}</title><text class="name" x="${LEFT - 14}" y="${y + 4}" text-anchor="end">${entry.name}</text>
<line class="first" x1="${at(x, low)}" x2="${at(x, high)}" y1="${y}" y2="${y}"/><circle class="first" cx="${at(x, percent(entry.test.mean))}" cy="${y}" r="4.5"/></g>`
}

/** What a method costs. */
export interface Cost {
  readonly title: string
  readonly unit: string
  readonly of: (entry: Entry) => number | null
}

export const costs: ReadonlyArray<Cost> = [
  { title: "Accuracy against seconds of training", unit: "seconds", of: ({ seconds }) => seconds },
  {
    title: "Accuracy against peak memory",
    unit: "MB",
    of: ({ peakBytes }) => (peakBytes === null ? null : peakBytes / 1e6)
  }
]

const frame = { width: 560, height: 320, left: 48, right: 350, top: 14, bottom: 276, label: 366, gap: 17 }

/** Labels in a column at the right, none over another, in the order of their points. */
const labelPlaces = (wanted: ReadonlyArray<number>): ReadonlyArray<number> => {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!)
  const places = new Array<number>(wanted.length)
  let next = frame.top + 4
  for (const i of order) {
    places[i] = Math.max(next, wanted[i]!)
    next = places[i]! + frame.gap
  }
  // what ran out below moves everything above it up
  let limit = Math.max(frame.bottom + 8, frame.top + 4 + (wanted.length - 1) * frame.gap)
  for (const i of order.reverse()) {
    places[i] = Math.min(places[i]!, limit)
    limit = places[i]! - frame.gap
  }
  return places
}

export const costChart = (table: Table, cost: Cost): Html | null => {
  const known = scoredOf(table).flatMap((entry) => {
    const value = cost.of(entry)
    return value === null ? [] : [{ entry, value }]
  })
  if (known.length === 0) return null
  const x = linear(domainOf(known.map(({ value }) => value)), frame.left, frame.right, 5)
  const y = linear(domain(known.map(({ entry }) => entry)), frame.bottom, frame.top, 5)
  const height = Math.max(frame.height, frame.top + known.length * frame.gap + 20)
  const labels = labelPlaces(known.map(({ entry }) => y.at(percent(entry.test.mean))))
  const words = `${cost.title}: ${known.map(({ entry, value }) => `${inWords(entry)} at ${count(Math.round(value))} ${cost.unit}`).join("; ")}.`
  return html`<figure><figcaption>${cost.title} <span class="quiet">%, over ${cost.unit}</span></figcaption>
<svg viewBox="0 0 ${frame.width} ${height}" role="img" aria-label="${words}"><g class="axis">
${y.ticks.map((tick) => html`<line class="rule" x1="${frame.left}" x2="${frame.right}" y1="${at(y, tick)}" y2="${at(y, tick)}"/><text x="${frame.left - 6}" y="${(y.at(tick) + 4).toFixed(1)}" text-anchor="end">${number(tick)}</text>`)}
${x.ticks.map((tick) => html`<text x="${at(x, tick)}" y="${frame.bottom + 20}" text-anchor="middle">${number(tick)}</text>`)}
<text x="${(frame.left + frame.right) / 2}" y="${frame.bottom + 38}" text-anchor="middle">${cost.unit}</text></g>
${known.map(({ entry, value }, i) => costPoint(entry, x.at(value), y, labels[i]!))}</svg>
<details><summary class="quiet">in words</summary><p class="quiet">${words}</p></details></figure>`
}

const costPoint = (entry: Scored, x: number, y: Scale, label: number): Html => {
  const [low, high] = ends(entry).map(percent) as [number, number]
  const middle = y.at(percent(entry.test.mean))
  return html`<g><title>${inWords(entry)}</title><line class="lead" x1="${x.toFixed(1)}" x2="${frame.label - 4}" y1="${middle.toFixed(1)}" y2="${label.toFixed(1)}"/>
<line class="first thin" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${at(y, low)}" y2="${at(y, high)}"/><circle class="first" cx="${x.toFixed(1)}" cy="${middle.toFixed(1)}" r="4.5"/>
<text class="name" x="${frame.label}" y="${(label + 4).toFixed(1)}">${entry.name}</text></g>`
}
