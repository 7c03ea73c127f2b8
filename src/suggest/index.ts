/** A first plan for the user's data, model and machine, with the reason for each value; and the rules that kinds of runs share. */
export { type Choice, measured } from "./choice.ts"
export { type Column, type Columns, columnDescriptions, columnNames, flagOf, severalColumns } from "./columns.ts"
export {
  CLEAR,
  choice,
  type Detecting,
  type Detection,
  detect,
  type Found,
  flagsOf,
  isRow,
  type Learnable,
  type Looked,
  type ModelFacts,
  NAMED,
  type NamedModel,
  type NamedPlan,
  type NamedSources,
  namedModel,
  namedPlan,
  planOfLearnable,
  type Row,
  sectionsOf,
  sure,
  undecided
} from "./detect.ts"
export * from "./findings.ts"
export { fitted, knobs } from "./memory-fit.ts"
export * from "./rules.ts"
export {
  type Estimated,
  type Given,
  type Suggesting,
  type Suggestion,
  type SuggestOptions,
  suggest,
  suggestionText
} from "./suggest.ts"
