/**
 * The script of a report: draws the embedded plots with uPlot, in the colours of the reader's scheme, and again when scheme, width
 * or medium (paper) changes.
 *
 * This function is never called here: its source is embedded in the page, so it uses nothing from outside itself but `uPlot`, which the
 * page loads before it, and `chartOptions`, whose source is embedded next to it.
 */
import type uPlot from "uplot"
import type { chartOptions, Plot } from "./chart.ts"

export const drawPlots = (Chart: typeof uPlot, optionsOf: typeof chartOptions): void => {
  const plots: ReadonlyArray<Plot> = JSON.parse(document.getElementById("plots")!.textContent!)
  const dark = window.matchMedia("(prefers-color-scheme: dark)")
  let printing = false
  let drawn: Array<uPlot> = []

  const draw = (plot: Plot): uPlot => {
    const container = document.getElementById(`plot-${plot.id}`)!
    container.textContent = ""
    const look = { isDark: dark.matches && !printing, width: printing ? 320 : container.clientWidth }
    const data = [plot.x, ...plot.series.map(({ values }) => values)] as unknown as uPlot.AlignedData
    return new Chart(optionsOf(plot, look), data, container)
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
