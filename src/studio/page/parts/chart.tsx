/**
 * A plot, drawn with uPlot as a report draws it, beside what it says in words. New numbers are drawn into the chart that is there; one is made anew
 * where its curves are others, or the reader's colours. Charts of one page share a cursor.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks"
import uPlot from "uplot"
import { chartOptions, described, exponentialMean } from "../../../output/report/chart.ts"
import type { Plot } from "../../protocol/index.ts"
import { useMedia } from "../use.ts"
import "uplot/dist/uPlot.min.css"

/** The steps that charts show; null: all. */
type Steps = readonly [from: number, to: number] | null

/** What the charts of a section have in common. */
export interface ChartView {
  /** points that a line is the mean of; 1: drawn through all */
  readonly smoothing: number
  readonly steps: Steps
  readonly zoom: (steps: Steps) => void
}

interface ChartProps {
  readonly plot: Plot
  readonly view: ChartView
  /** lengths of strokes and gaps of each curve, where colours alone are too few; an empty list: drawn through */
  readonly dashes?: ReadonlyArray<ReadonlyArray<number>>
  /** each curve may be hidden */
  readonly canHide?: boolean
}

const LEAST_WIDTH = 240
/** `container` null: the component has left. */
const widthOf = (container: HTMLElement | null): number => Math.max(LEAST_WIDTH, container?.clientWidth ?? 0)
const HEIGHT = 230
/** Beyond this the name of an image is no sentence any more. */
const MOST_IN_NAME = 6

const dataOf = ({ x, series }: Plot) => [x, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData

/** What decides how curves are drawn, beside their numbers. */
const shapeOf = ({ logarithmic, x, series }: Plot): string =>
  JSON.stringify([logarithmic, x.length === 1, series.map(({ colour, kind }) => [colour, kind])])

/** Lines as their means; what is drawn faintly and points are the values. */
const smoothedPlot = (plot: Plot, span: number): Plot =>
  span <= 1
    ? plot
    : {
        ...plot,
        series: plot.series.map((curve) =>
          curve.kind === "line" ? { ...curve, values: exponentialMean(curve.values, span) } : curve
        )
      }

const looksOf = (plot: Plot, dashes: ChartProps["dashes"], look: Parameters<typeof chartOptions>[1]): uPlot.Options => {
  const options = chartOptions(plot, look)
  const series = options.series.map((curve, i): uPlot.Series => {
    const dash = i === 0 ? undefined : dashes?.[i - 1]
    return dash === undefined || dash.length === 0 || plot.series[i - 1]!.kind === "points"
      ? curve
      : { ...curve, dash: [...dash] }
  })
  return { ...options, series, legend: { show: false } }
}

/** How a curve looks, in a line. */
const Mark = ({ curve }: { readonly curve: uPlot.Series }) => (
  <svg class="mark" viewBox="0 0 28 8" aria-hidden="true">
    <line
      x1="0"
      x2="28"
      y1="4"
      y2="4"
      stroke={curve.stroke as string}
      stroke-width="3"
      stroke-dasharray={curve.dash?.join(" ")}
    />
    {curve.points?.show === true ? <circle cx="14" cy="4" r="4" fill={curve.points.fill as string} /> : null}
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

/** Draws the plot's numbers, all of them or the steps that are looked at. */
const show = (chart: uPlot, plot: Plot, steps: Steps): void => {
  chart.setData(dataOf(plot), steps === null)
  if (steps !== null) chart.setScale("x", { min: steps[0], max: steps[1] })
}

/** Moves the cursor of all charts of the page by points of this one. */
const moveCursor = (chart: uPlot, x: Plot["x"], at: number | null, by: number): void => {
  const next = Math.min(x.length - 1, Math.max(0, (at ?? (by > 0 ? -1 : x.length)) + by))
  const setCursor = chart.setCursor as (place: uPlot.Cursor, fires: boolean, tellsOthers: boolean) => void
  setCursor({ left: chart.valToPos(x[next]!, "x"), top: 0 }, true, true)
}

export const Chart = ({ plot: measured, view: { smoothing, steps, zoom }, dashes, canHide = false }: ChartProps) => {
  const plot = useMemo(() => smoothedPlot(measured, smoothing), [measured, smoothing])
  const isDark = useMedia("(prefers-color-scheme: dark)")
  const container = useRef<HTMLDivElement>(null)
  const [drawn, setDrawn] = useState<{ readonly chart: uPlot; readonly options: uPlot.Options }>()
  const [at, setAt] = useState<number | null>(null)
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const shape = shapeOf(plot)
  const strokes = JSON.stringify(dashes ?? null)
  const options = useMemo(() => looksOf(plot, dashes, { isDark, width: LEAST_WIDTH }), [shape, strokes, isDark])
  // not the one of other curves, which is destroyed
  const chart = drawn?.options === options ? drawn.chart : undefined
  const words = useMemo(() => described(measured), [measured])

  useEffect(() => {
    // each chart of a page in a task of its own, so that a dozen of them does not keep it from answering
    let created: uPlot | undefined
    const timer = setTimeout(() => {
      created = new uPlot(
        {
          ...options,
          width: widthOf(container.current),
          cursor: {
            ...options.cursor,
            drag: { x: true, y: false, setScale: false },
            bind: {
              dblclick: () => () => {
                zoom(null)
                return null
              }
            }
          },
          hooks: {
            setCursor: [({ cursor }) => setAt(cursor.idx ?? null)],
            setSelect: [
              (instance) => {
                const { left, width } = instance.select
                if (width <= 0) return
                instance.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
                zoom([Math.floor(instance.posToVal(left, "x")), Math.ceil(instance.posToVal(left + width, "x"))])
              }
            ]
          }
        },
        dataOf(plot),
        container.current!
      )
      setDrawn({ chart: created, options })
    })
    return () => {
      clearTimeout(timer)
      created?.destroy()
    }
  }, [options])
  useEffect(() => {
    if (chart !== undefined) show(chart, plot, steps)
  }, [chart, plot, steps])
  useEffect(() => {
    if (chart !== undefined) showOnly(chart, plot, hidden)
  }, [chart, hidden])
  useEffect(() => {
    if (chart === undefined) return
    const observer = new ResizeObserver(() => {
      const width = widthOf(container.current)
      if (chart.width !== width) chart.setSize({ width, height: HEIGHT })
    })
    observer.observe(container.current!)
    return () => observer.disconnect()
  }, [chart])

  const valueText = (i: number): string => {
    const { values } = plot.series[i]!
    const value = at === null ? newest(values) : (values[at] ?? null)
    const { value: format } = options.series[i + 1]!
    return typeof format === "function" ? `${format(chart!, value as number, i + 1, at)}` : ""
  }
  const toggle = (label: string) => setHidden((before) => before.symmetricDifference(new Set([label])))
  const description = plot.series.length > MOST_IN_NAME ? `${plot.series.length} curves, in words below.` : words

  const pressed = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0
    if (by === 0 || event.target !== event.currentTarget || chart === undefined) return
    event.preventDefault()
    moveCursor(chart, plot.x, at, by)
  }
  return (
    <figure
      class="chart card"
      aria-label={plot.title}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move its cursor
      tabIndex={0}
      onKeyDown={pressed}
    >
      <figcaption>
        {plot.title}{" "}
        <span class="quiet small">
          {plot.unit}
          {plot.logarithmic ? ", logarithmic" : ""}
        </span>
      </figcaption>
      <div class="plot" ref={container} role="img" aria-label={`${plot.title}. ${description}`} />
      <p class="step quiet small" aria-live="polite">
        {at === null ? "Newest values" : `Step ${plot.x[at] ?? ""}`}
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
              <Mark curve={options.series[i + 1]!} />
              <span class="name">{label}</span>
              <span class="value">{valueText(i)}</span>
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
        <summary>In words</summary>
        <p class="quiet small">{words}</p>
      </details>
    </figure>
  )
}

interface ToolsProps {
  readonly plots: ReadonlyArray<Pick<Plot, "x">>
  readonly view: ChartView
  readonly smooth: (points: number) => void
}

const MOST_SMOOTHING = 50

interface EndProps {
  readonly label: string
  readonly value: number
  readonly most: number
  readonly set: (value: number) => void
}

const End = ({ label, value, most, set }: EndProps) => (
  <label>
    {label}
    <input
      type="number"
      min={0}
      max={most}
      value={value}
      onChange={({ currentTarget: { valueAsNumber } }) => Number.isInteger(valueAsNumber) && set(valueAsNumber)}
    />
  </label>
)

/** Controls of the charts below: running means instead of single steps, and the steps to show. */
export const ChartTools = ({ plots, view: { smoothing, steps, zoom }, smooth }: ToolsProps) => {
  const most = Math.max(1, ...plots.map(({ x }) => x.at(-1) ?? 1))
  const [from, to] = steps ?? [0, most]
  return (
    <div class="toolbar chart-tools">
      <label class="smoothing">
        Smoothing: {smoothing === 1 ? "off" : `mean of about ${smoothing} points`}
        <input
          type="range"
          min={1}
          max={MOST_SMOOTHING}
          value={smoothing}
          onInput={({ currentTarget }) => smooth(currentTarget.valueAsNumber)}
        />
      </label>
      <End label="From step" value={from} most={most} set={(value) => value < to && zoom([value, to])} />
      <End label="To step" value={to} most={most} set={(value) => value > from && zoom([from, value])} />
      {steps === null ? (
        <p class="help">Drag over a chart to zoom in; the arrow keys move its cursor.</p>
      ) : (
        <button type="button" onClick={() => zoom(null)}>
          All steps
        </button>
      )}
    </div>
  )
}

/** Smoothing and steps of the charts of a section. */
export const useChartView = (): { readonly view: ChartView; readonly smooth: (points: number) => void } => {
  const [smoothing, smooth] = useState(1)
  const [steps, setSteps] = useState<Steps>(null)
  const zoom = useCallback(
    (next: Steps) => setSteps((last) => (last?.[0] === next?.[0] && last?.[1] === next?.[1] ? last : next)),
    []
  )
  return { view: { smoothing, steps, zoom }, smooth }
}
