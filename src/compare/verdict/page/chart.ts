/**
 * A small chart of lines and points as SVG within the page: without a script, in the reader's colour scheme, with a text equivalent for
 * screen readers.
 */
import { number, scientific } from "../../../boundary/index.ts"
import { type Html, html } from "../../../output/report/index.ts"
import type { Curve } from "../curves.ts"

/** Mapping from values to positions on a chart, with the ticks of its axis. */
export interface Scale {
  /** returns the position of a value, in units of the drawing */
  readonly at: (value: number) => number
  readonly ticks: ReadonlyArray<number>
}

/** Returns round steps (1, 2 or 5 times a power of ten) over a range, about `wanted` of them. */
export const roundTicks = (low: number, high: number, count: number): ReadonlyArray<number> => {
  const raw = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * (1 - 1e-9))!
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Returns the range of some values with a margin, also around a single value. */
export const domainOf = (values: ReadonlyArray<number>, room = 0.06): readonly [number, number] => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const spread = high - low || Math.abs(high) * 0.1 || 1
  return [low - room * spread, high + room * spread]
}

export const linear = ([low, high]: readonly [number, number], from: number, to: number, count = 5): Scale => ({
  at: (value) => from + ((value - low) / (high - low)) * (to - from),
  ticks: roundTicks(low, high, count)
})

/** Returns a logarithmic scale. `marked`: the values labelled on the axis. */
export const logarithmic = (marked: ReadonlyArray<number>, from: number, to: number): Scale => {
  const [low, high] = domainOf(marked.map(Math.log))
  return { at: (value) => from + ((Math.log(value) - low) / (high - low)) * (to - from), ticks: marked }
}

export interface Series {
  readonly label: string
  readonly points: Curve
  /** a line in the page's first, second or third colour, or a faint one; the points of short lines are marked */
  readonly look: "first" | "second" | "third" | "faint"
}

export interface Chart {
  readonly title: string
  /** labels of the axes */
  readonly x: string
  readonly y: string
  readonly series: ReadonlyArray<Series>
  /** values labelled on a logarithmic horizontal axis; absent: the axis is linear */
  readonly rates?: ReadonlyArray<number>
  /** range of the vertical axis, so that several charts are comparable; larger values are drawn at its edge */
  readonly domain?: readonly [number, number]
  /** a point marked with a ring */
  readonly chosen?: readonly [number, number]
  /** additional sentence */
  readonly note?: string
}

const [WIDTH, HEIGHT] = [380, 210]
const plot = { left: 52, right: WIDTH - 10, top: 10, bottom: HEIGHT - 34 }
// more marks than this hide the line
const MARKED = 30

const coordinate = (value: number): string => value.toFixed(1)

const axes = (x: Scale, y: Scale, names: Pick<Chart, "x" | "y" | "rates">): Html => html`<g class="axis">
${y.ticks.map((tick) => html`<line class="rule" x1="${plot.left}" x2="${plot.right}" y1="${coordinate(y.at(tick))}" y2="${coordinate(y.at(tick))}"/><text x="${plot.left - 6}" y="${coordinate(y.at(tick) + 4)}" text-anchor="end">${number(tick, 6)}</text>`)}
${x.ticks.map((tick) => html`<text x="${coordinate(x.at(tick))}" y="${plot.bottom + 15}" text-anchor="middle">${names.rates === undefined ? number(tick) : scientific(tick)}</text>`)}
<text x="${(plot.left + plot.right) / 2}" y="${HEIGHT - 4}" text-anchor="middle">${names.x}</text></g>`

const lineOf = ({ label, points, look }: Series, x: Scale, y: Scale): Html => {
  const d = points
    .map(([at, value], i) => `${i === 0 ? "M" : "L"}${coordinate(x.at(at))} ${coordinate(y.at(value))}`)
    .join("")
  const marks =
    points.length > MARKED || look === "faint"
      ? null
      : points.map(
          ([at, value]) =>
            html`<circle class="${look}" cx="${coordinate(x.at(at))}" cy="${coordinate(y.at(value))}" r="3"><title>${label}: ${number(value)} at ${number(at)}</title></circle>`
        )
  return html`<path class="${look}" d="${d}"/>${marks}`
}

/** Describes each line by its first, last and smallest value. */
const chartInWords = ({ title, series, x, chosen, note }: Chart): string =>
  [
    `${title}.`,
    ...series.map(({ label, points }) => {
      const [first, last] = [points[0]!, points.at(-1)!]
      if (points.length === 1) return `${label}: ${number(first[1])} at ${x} ${number(first[0])}.`
      const least = points.reduce((a, b) => (b[1] < a[1] ? b : a))
      return `${label}: ${number(first[1])} at ${x} ${number(first[0])}, ${number(last[1])} at ${number(last[0])}, smallest ${number(least[1])} at ${number(least[0])}.`
    }),
    ...(chosen === undefined ? [] : [`Chosen: ${number(chosen[0])}.`]),
    ...(note === undefined ? [] : [`${note}.`])
  ].join(" ")

/** Returns the chart as SVG, or null if there are no points to draw. */
export const chart = (spec: Chart): Html | null => {
  const series = spec.series.filter(({ points }) => points.length > 0)
  if (series.length === 0) return null
  const { rates, domain, chosen, title, note } = spec
  const all = series.flatMap(({ points }) => points)
  const [low, high] = domain ?? domainOf(all.map(([, value]) => value))
  const free = linear([low, high], plot.bottom, plot.top, 4)
  const y = { ...free, at: (value: number) => free.at(Math.min(value, high)) }
  const x =
    rates === undefined
      ? linear(
          domainOf(
            all.map(([at]) => at),
            0.02
          ),
          plot.left,
          plot.right,
          5
        )
      : logarithmic(rates, plot.left, plot.right)
  const words = chartInWords({ ...spec, series })
  return html`<figure><figcaption>${title} <span class="quiet">${spec.y}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${words}">${axes(x, y, spec)}
${series.map((line) => lineOf(line, x, y))}
${chosen && html`<circle class="ring" cx="${coordinate(x.at(chosen[0]))}" cy="${coordinate(y.at(chosen[1]))}" r="7"/>`}</svg>
<p class="legend">${series.length > 1 && series.map(({ label, look }) => html`<span class="${look}">${label}</span> `)}${note && html`<span class="quiet">${note}</span>`}</p>
<details><summary class="quiet">In words</summary><p class="quiet">${words}</p></details></figure>
`
}
