/** `report.html`, and what other pages of results share with it: HTML, numbers as people write them, curves, and the look. */
export { type Html, html, type Insertable, raw } from "./html.ts"
export { count, duration, fixed, number, percent, shortDuration } from "./numbers.ts"
export { ReportError, writeReport } from "./page.ts"
export { smoothed } from "./plots.ts"
export { shellWord } from "./provenance.ts"
export { style } from "./style.ts"
