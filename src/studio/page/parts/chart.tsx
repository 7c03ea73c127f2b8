/**
 * A plot, drawn with uPlot as a report draws it, beside what it says in words. New numbers are drawn into the chart that is there; one is made anew
 * where its curves are others, or the reader's colours. Charts of one page share a cursor.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import uPlot from "uplot"
import { chartOptions, described } from "../../../output/report/chart.ts"
import type { Plot } from "../../protocol/index.ts"
import { useMedia } from "../use.ts"
import "uplot/dist/uPlot.min.css"

interface ChartProps {
  readonly plot: Plot
  /** lengths of strokes and gaps of each curve, where colours alone are too few; an empty list: drawn through */
  readonly dashes?: ReadonlyArray<ReadonlyArray<number>>
  /** each curve may be hidden */
  readonly canHide?: boolean
}

const LEAST_WIDTH = 240
const HEIGHT = 230
/** Beyond this the name of an image is no sentence any more. */
const MOST_IN_NAME = 6

const dataOf = ({ x, series }: Plot) => [x, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData

/** What decides how curves are drawn, beside their numbers. */
const shapeOf = ({ logarithmic, x, series }: Plot): string =>
  JSON.stringify([logarithmic, x.length === 1, series.map(({ colour, kind }) => [colour, kind])])

const looksOf = (plot: Plot, dashes: ChartProps["dashes"], look: Parameters<typeof chartOptions>[1]): uPlot.Options => {
  const options = chartOptions(plot, look)
  const series = options.series.map((own, i): uPlot.Series => {
    const dash = i === 0 ? undefined : dashes?.[i - 1]
    return dash === undefined || dash.length === 0 || plot.series[i - 1]!.kind === "points"
      ? own
      : { ...own, dash: [...dash] }
  })
  return { ...options, series, legend: { show: false } }
}

/** How a curve looks, in a line. */
const Mark = ({ own }: { readonly own: uPlot.Series }) => (
  <svg class="mark" viewBox="0 0 28 8" aria-hidden="true">
    <line
      x1="0"
      x2="28"
      y1="4"
      y2="4"
      stroke={own.stroke as string}
      stroke-width="3"
      stroke-dasharray={own.dash?.join(" ")}
    />
    {own.points?.show === true ? <circle cx="14" cy="4" r="4" fill={own.points.fill as string} /> : null}
  </svg>
)

const newest = (values: ReadonlyArray<number | null>): number | null =>
  values.findLast((value) => value !== null) ?? null

const showOnly = (chart: uPlot, { series }: Plot, hidden: ReadonlySet<string>): void => {
  for (const [i, { label }] of series.entries()) {
    const show = !hidden.has(label)
    if (chart.series[i + 1]?.show !== show) chart.setSeries(i + 1, { show })
  }
}

export const Chart = ({ plot, dashes, canHide = false }: ChartProps) => {
  const isDark = useMedia("(prefers-color-scheme: dark)")
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | undefined>(undefined)
  const drawn = useRef<Plot | undefined>(undefined)
  const [at, setAt] = useState<number | null>(null)
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const shape = shapeOf(plot)
  const strokes = JSON.stringify(dashes ?? null)
  const options = useMemo(() => looksOf(plot, dashes, { isDark, width: LEAST_WIDTH }), [shape, strokes, isDark])
  const words = useMemo(() => described(plot), [plot])

  const latest = useRef({ plot, hidden })
  latest.current = { plot, hidden }
  useEffect(() => {
    // each chart of a page in a task of its own, so that a dozen of them does not keep it from answering
    const timer = setTimeout(() => {
      const width = Math.max(LEAST_WIDTH, place.current!.clientWidth)
      const now = latest.current
      const own = new uPlot(
        { ...options, width, hooks: { setCursor: [({ cursor }) => setAt(cursor.idx ?? null)] } },
        dataOf(now.plot),
        place.current!
      )
      chart.current = own
      drawn.current = now.plot
      showOnly(own, now.plot, now.hidden)
    })
    return () => {
      clearTimeout(timer)
      chart.current?.destroy()
      chart.current = undefined
    }
  }, [options])
  useEffect(() => {
    if (chart.current === undefined || drawn.current === plot) return
    drawn.current = plot
    chart.current.setData(dataOf(plot))
  }, [plot])
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      const width = Math.max(LEAST_WIDTH, place.current?.clientWidth ?? 0)
      if (chart.current !== undefined && chart.current.width !== width) chart.current.setSize({ width, height: HEIGHT })
    })
    observer.observe(place.current!)
    return () => observer.disconnect()
  }, [])
  useEffect(() => {
    if (chart.current !== undefined) showOnly(chart.current, plot, hidden)
  }, [hidden])

  const shown = (i: number): string => {
    const { values } = plot.series[i]!
    const value = at === null ? newest(values) : (values[at] ?? null)
    const { value: written } = options.series[i + 1]!
    return typeof written === "function" ? `${written(chart.current!, value as number, i + 1, at)}` : ""
  }
  const toggle = (label: string) =>
    setHidden((before) => (before.has(label) ? before.difference(new Set([label])) : before.union(new Set([label]))))
  const said = plot.series.length > MOST_IN_NAME ? `${plot.series.length} curves, in words below.` : words

  return (
    <figure class="chart">
      <figcaption>
        {plot.title}{" "}
        <span class="quiet">
          {plot.unit}
          {plot.logarithmic ? ", logarithmic" : ""}
        </span>
      </figcaption>
      <div class="plot" ref={place} role="img" aria-label={`${plot.title}. ${said}`} />
      <p class="step quiet small" aria-hidden="true">
        {at === null ? "newest" : `step ${plot.x[at] ?? ""}`}
      </p>
      {/* many curves have a legend that is scrolled, by the keyboard too */}
      <ul
        class="legend"
        aria-label={`Curves of ${plot.title}`}
        tabIndex={plot.series.length > MOST_IN_NAME && !canHide ? 0 : undefined}
      >
        {plot.series.map(({ label }, i) => {
          const inside = (
            <>
              <Mark own={options.series[i + 1]!} />
              <span class="name">{label}</span>
              <span class="value">{shown(i)}</span>
            </>
          )
          return (
            <li key={label}>
              {canHide ? (
                <button type="button" class="plain" aria-pressed={!hidden.has(label)} onClick={() => toggle(label)}>
                  {inside}
                </button>
              ) : (
                inside
              )}
            </li>
          )
        })}
      </ul>
      <details>
        <summary>in words</summary>
        <p class="quiet small">{words}</p>
      </details>
    </figure>
  )
}
