/** `report.html`, and what other pages of results share with it: HTML, numbers as people write them, curves, and the look. */
export type { Plot, Series } from "./chart.ts"
export { type Gain, gainOf } from "./gain.ts"
export { gradientPlots } from "./gradient.ts"
export {
  type Html,
  html,
  type Insertable,
  raw
} from "./html.ts"
export { OwnPlotLibrary, type PlotLibrary, ReportError, style, writeReport } from "./page.ts"
export { plotsOf, smoothed } from "./plots.ts"
export { evaluationRows, factsOf, gained } from "./results.ts"
export {
  type Diagnostics,
  type Evaluation,
  isConfused,
  type MeasuredKind,
  type MetricsSoFar,
  type ReportedKind,
  type Row,
  type RunRecord,
  readRun,
  rowIn,
  type Step
} from "./run-record.ts"
