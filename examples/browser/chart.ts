/** A line chart that grows while a network trains, in the colours of the reader's scheme. */
import uPlot from "uplot"

export interface Chart {
  /** Values of the series at a step; null: none. Drawn with the next frame. */
  readonly add: (step: number, values: ReadonlyArray<number | null>) => void
  readonly clear: () => void
}

// told apart by people who do not tell red from green (after Okabe & Ito 2008)
const palettes = {
  light: { series: ["#0b63b5", "#c15400"], text: "#44505c", grid: "#e3e7eb" },
  dark: { series: ["#6db3f2", "#f2a35e"], text: "#aeb9c4", grid: "#2b333b" }
}

const written = (value: number | null) => (value === null || value === undefined ? "–" : `${Number(value.toFixed(3))}`)

export const chartIn = (place: HTMLElement, labels: ReadonlyArray<string>): Chart => {
  const dark = matchMedia("(prefers-color-scheme: dark)")
  let columns: Array<Array<number | null>> = []
  let waiting = false

  const options = (): uPlot.Options => {
    const colours = dark.matches ? palettes.dark : palettes.light
    const axis = {
      stroke: colours.text,
      font: "12px system-ui, sans-serif",
      grid: { stroke: colours.grid, width: 1 },
      ticks: { stroke: colours.grid, width: 1 }
    }
    const series = labels.map((label, i) => ({
      label,
      stroke: colours.series[i]!,
      width: 2,
      ...(i === 0 ? {} : { dash: [5, 4] }),
      spanGaps: true,
      value: (_: uPlot, value: number | null) => written(value)
    }))
    return {
      width: Math.max(240, place.clientWidth),
      height: 220,
      // a discrepancy and a cross-entropy are read from 0
      scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(max, 0.1) * 1.05] } },
      axes: [axis, { ...axis, size: 46 }],
      series: [{ label: "step" }, ...series],
      cursor: { drag: { x: false, y: false } }
    }
  }
  const data = () => columns as unknown as uPlot.AlignedData
  const clear = () => {
    columns = [[], ...labels.map(() => [])]
  }
  clear()
  let plot = new uPlot(options(), data(), place)
  const drawAnew = () => {
    plot.destroy()
    plot = new uPlot(options(), data(), place)
  }
  dark.addEventListener("change", drawAnew)
  new ResizeObserver(() => plot.setSize({ width: Math.max(240, place.clientWidth), height: 220 })).observe(place)

  const drawSoon = () => {
    if (waiting) return
    waiting = true
    requestAnimationFrame(() => {
      waiting = false
      plot.setData(data())
    })
  }
  return {
    add: (step, values) => {
      for (const [i, value] of [step, ...values].entries()) columns[i]!.push(value)
      drawSoon()
    },
    clear: () => {
      clear()
      drawSoon()
    }
  }
}
