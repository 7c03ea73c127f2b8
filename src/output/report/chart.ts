/**
 * How a plot looks, wherever it is drawn: in a report, which embeds `chartOptions` by its source, and in the studio. And what its curves say, in
 * words, for readers who cannot see them.
 *
 * Nothing is drawn here and nothing of a page is touched.
 */
import type uPlot from "uplot"
import { number } from "../../boundary/index.ts"

export interface Series {
  readonly label: string
  /** one value for each x, or null */
  readonly values: ReadonlyArray<number | null>
  /** index into the palette */
  readonly colour: number
  readonly kind: "line" | "faint" | "dashed" | "points"
}

export interface Plot {
  readonly id: string
  readonly title: string
  /** unit of the vertical axis */
  readonly unit: string
  readonly logarithmic: boolean
  readonly x: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
}

export interface ChartLook {
  readonly isDark: boolean
  /** width of the page, in pixels */
  readonly width: number
}

/**
 * Returns the options of uPlot for a plot. The function's source is embedded in reports, so it uses nothing from outside itself.
 */
export const chartOptions = (
  { logarithmic, x, series }: Pick<Plot, "logarithmic" | "x" | "series">,
  { isDark, width }: ChartLook
): uPlot.Options => {
  // Distinguishable with red-green colour blindness: blue, orange, green-blue, purple (after Okabe & Ito 2008).
  const palettes = {
    light: { series: ["#0b63b5", "#c15400", "#00795a", "#8a3f7a"], text: "#44505c", grid: "#e3e7eb" },
    dark: { series: ["#6db3f2", "#f2a35e", "#4fc9a4", "#dd9ccf"], text: "#aeb9c4", grid: "#2b333b" }
  }
  const colours = isDark ? palettes.dark : palettes.light
  const MOST_TICKS = 12
  const inColour = (colour: number) => colours.series[colour % colours.series.length]!
  const format = (value: number | null): string => {
    if (value === null || value === undefined) return "–"
    const size = Math.abs(value)
    if (size !== 0 && (size < 1e-3 || size >= 1e5))
      return Number(value.toPrecision(3)).toExponential().replace("e+", "e")
    return `${Number(value.toPrecision(4))}`
  }
  const axis = {
    stroke: colours.text,
    font: "12px system-ui, sans-serif",
    grid: { stroke: colours.grid, width: 1 },
    ticks: { stroke: colours.grid, width: 1 },
    values: (_: uPlot, ticks: Array<number | null>) => {
      // a logarithmic axis over many decades has no room for each
      const shownTicks = ticks.filter((tick) => tick !== null)
      const every = Math.ceil(shownTicks.length / MOST_TICKS)
      return ticks.map((tick) => (tick === null || shownTicks.indexOf(tick) % every > 0 ? "" : format(tick)))
    }
  }
  const wholeSteps = Array.from({ length: 10 }, (_, i) => 10 ** i).flatMap((power) => [power, 2 * power, 5 * power])
  const styled = ({ label, colour, kind }: Series): uPlot.Series => ({
    label,
    stroke: inColour(colour) + (kind === "faint" ? "66" : ""),
    width: kind === "points" || kind === "faint" ? 1 : 2,
    ...(kind === "dashed" || kind === "points" ? { dash: [5, 4] } : {}),
    points: kind === "points" || x.length === 1 ? { show: true, size: 8, fill: inColour(colour) } : { show: false },
    spanGaps: true,
    value: (_, value, __, at) => (at === null && value === null ? "" : format(value))
  })
  return {
    width: Math.max(240, width),
    height: 230,
    scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
    axes: [
      { ...axis, incrs: wholeSteps, size: 32 },
      { ...axis, size: 58 }
    ],
    series: [{ label: "step", value: (_, value) => (value === null ? "" : format(value)) }, ...series.map(styled)],
    legend: { markers: { width: 3, dash: (_, i) => (series[i - 1]?.kind === "dashed" ? "dashed" : "solid") } },
    // dragging over one chart shows the same steps in all of them, a double click all steps
    cursor: { drag: { x: true, y: false }, sync: { key: "run" } }
  }
}

/** Describes the curves in words: first, last, smallest and largest value of each. */
export const described = ({ x, series }: Pick<Plot, "x" | "series">): string =>
  series
    .map(({ label, values }) => {
      const points = values.flatMap((value, i) => (value === null ? [] : [{ value, step: x[i]! }]))
      if (points.length === 0) return `${label}: no values.`
      const first = points[0]!
      const last = points.at(-1)!
      if (points.length === 1) return `${label}: ${number(first.value)} at step ${first.step}.`
      const all = points.map(({ value }) => value)
      return `${label}: ${number(first.value)} at step ${first.step}, ${number(last.value)} at step ${last.step}, between ${number(Math.min(...all))} and ${number(Math.max(...all))}.`
    })
    .join(" ")

/** Returns the exponential mean over about `span` values, without bias towards the first (Kingma & Ba 2015, section 3); gaps repeat the last mean. */
export const exponentialMean = (values: ReadonlyArray<number | null>, span: number): ReadonlyArray<number | null> => {
  const keep = 1 - 1 / span
  let sum = 0
  let weight = 0
  return values.map((value) => {
    if (value !== null) {
      sum = keep * sum + (1 - keep) * value
      weight = keep * weight + (1 - keep)
    }
    return weight === 0 ? null : sum / weight
  })
}
