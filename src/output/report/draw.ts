/**
 * The script of a report: draws the embedded plots with uPlot, in the colours of the reader's scheme, and again when scheme, width
 * or medium (paper) changes.
 *
 * This function is never called here: its source is embedded in the page, so it uses nothing from outside itself but `uPlot`, which the
 * page loads before it.
 */
import type uPlot from "uplot"
import type { Plot, Series } from "./plots.ts"

export const drawPlots = (Chart: typeof uPlot): void => {
  const plots: ReadonlyArray<Plot> = JSON.parse(document.getElementById("plots")!.textContent!)
  const dark = window.matchMedia("(prefers-color-scheme: dark)")
  // Distinguishable with red-green colour blindness: blue, orange, green-blue, purple (after Okabe & Ito 2008).
  const palettes = {
    light: { series: ["#0b63b5", "#c15400", "#00795a", "#8a3f7a"], text: "#44505c", grid: "#e3e7eb" },
    dark: { series: ["#6db3f2", "#f2a35e", "#4fc9a4", "#dd9ccf"], text: "#aeb9c4", grid: "#2b333b" }
  }
  let printing = false
  let drawn: Array<uPlot> = []

  const written = (value: number | null): string => {
    if (value === null || value === undefined) return "–"
    const size = Math.abs(value)
    if (size !== 0 && (size < 1e-3 || size >= 1e5))
      return Number(value.toPrecision(3)).toExponential().replace("e+", "e")
    return `${Number(value.toPrecision(4))}`
  }

  const draw = ({ id, logarithmic, x, series }: Plot): uPlot => {
    const colours = dark.matches && !printing ? palettes.dark : palettes.light
    const place = document.getElementById(`plot-${id}`)!
    place.textContent = ""
    const axis = {
      stroke: colours.text,
      font: "12px system-ui, sans-serif",
      grid: { stroke: colours.grid, width: 1 },
      ticks: { stroke: colours.grid, width: 1 },
      values: (_: uPlot, ticks: Array<number | null>) => ticks.map((tick) => (tick === null ? "" : written(tick)))
    }
    const styled = ({ label, colour, kind }: Series): uPlot.Series => ({
      label,
      stroke: colours.series[colour]! + (kind === "faint" ? "66" : ""),
      width: kind === "points" || kind === "faint" ? 1 : 2,
      ...(kind === "dashed" || kind === "points" ? { dash: [5, 4] } : {}),
      points:
        kind === "points" || x.length === 1 ? { show: true, size: 8, fill: colours.series[colour]! } : { show: false },
      spanGaps: true,
      value: (_, value) => written(value)
    })
    const options: uPlot.Options = {
      width: Math.max(240, printing ? 320 : place.clientWidth),
      height: 230,
      scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
      axes: [axis, { ...axis, size: 58 }],
      series: [{ label: "step", value: (_, value) => written(value) }, ...series.map(styled)],
      legend: { markers: { width: 3, dash: (_, i) => (series[i - 1]?.kind === "dashed" ? "dashed" : "solid") } },
      cursor: { drag: { x: false, y: false }, sync: { key: "run" } }
    }
    const data = [x, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData
    return new Chart(options, data, place)
  }

  const drawAll = () => {
    for (const plot of drawn) plot.destroy()
    drawn = plots.map(draw)
  }
  const onPaper = (now: boolean) => () => {
    printing = now
    drawAll()
  }
  let width = document.documentElement.clientWidth
  window.addEventListener("resize", () => {
    if (printing || document.documentElement.clientWidth === width) return
    width = document.documentElement.clientWidth
    drawAll()
  })
  dark.addEventListener("change", drawAll)
  window.addEventListener("beforeprint", onPaper(true))
  window.addEventListener("afterprint", onPaper(false))
  drawAll()
}
