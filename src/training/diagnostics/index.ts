/** Diagnostics of gradients: the true gradient of W compared with what the method makes of it. */
export { type DiagnoseOptions, diagnose, type ProbedSites, probedProblems, probedSites } from "./diagnose.ts"
export { PASS_BYTES, type ProbeOptions } from "./probe.ts"
export type {
  DiagnosticsReport,
  FactorSpectrum,
  MeanDiagnostics,
  MethodNearness,
  Nearness,
  SiteDiagnostics,
  TheoremCheck
} from "./report.ts"
