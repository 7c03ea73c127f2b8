/** Run folders as the studio shows them, for a server and for a page alike: files alone are asked. */
export { type FollowedMetrics, followMetrics, plotsSoFar } from "./curve-data.ts"
export { curvesOf, type PlotsOfRun, thinned } from "./curves.ts"
export { type GrowingFile, growingFile } from "./growing-file.ts"
export { type PlotReader, plotReader } from "./plots.ts"
export { filesOf, resultOf } from "./result.ts"
export { seenFiles, stampOf } from "./seen-file.ts"
export { type Life, type PlanOfRun, type RunReader, runFolders, runReader, unattended } from "./summary.ts"
export { usesIn } from "./uses.ts"
