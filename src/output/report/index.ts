/** `report.html`, and what other pages of results share with it: HTML, numbers as people write them, curves, and the look. */
export type { Plot, Series } from "./chart.ts"
export {
  count,
  duration,
  fixed,
  type Html,
  html,
  type Insertable,
  number,
  percent,
  raw,
  shortDuration
} from "./html.ts"
export { OwnPlotLibrary, type PlotLibrary, ReportError, style, writeReport } from "./page.ts"
export { smoothed } from "./plots.ts"
