/** Gradient diagnostics: compare the full gradient of W with a method's update. */
export { type DiagnoseOptions, diagnose, type ProbedSites, probedProblems, probedSites } from "./diagnose.ts"
export {
  type DiagnosticsReport,
  type FactorSpectrum,
  type MeanDiagnostics,
  type MethodNearness,
  type Nearness,
  PASS_BYTES,
  type ProbeOptions,
  type SiteDiagnostics,
  type TheoremCheck
} from "./report.ts"
