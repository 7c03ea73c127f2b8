/** The machine's diagnosis: `diagnose`, and its text. */
export { type Diagnosis, diagnose, type Measurement, type Problem } from "./diagnosis.ts"
export { diagnosisText } from "./text.ts"
