/**
 * Scoring of generated texts: scorers, suites of rows to ask, what scores over rows say, and another model as a judge.
 *
 * @example
 * import { Console, Effect } from "effect"
 * import { rowMean, scorers } from "tfjs-lora-pro/scoring"
 *
 * const text = "3 + 4 = 7, so she has 7."
 * const answer = { where: "test.jsonl:1", row: {}, form: "text", text, expected: "3 + 4 = <<3+4=7>>7\n#### 7" } as const
 * export const program = Effect.gen(function* () {
 *   const { flexible } = yield* scorers.gsm8k.score(answer)
 *   yield* Console.log(flexible, rowMean([flexible!, 0, 1]))
 * })
 */
export { type Ballot, majority, passAtK, type RowMean, rowMean } from "./intervals.ts"
export * from "./judge/index.ts"
export {
  type ProgramLanguage,
  type ProgramOutcome,
  Programs,
  ProgramsError,
  type ProgramsShape,
  programLanguages
} from "./programs/programs.ts"
export { readShots, readSuite, readSuiteRows, SuiteError, type SuiteRow } from "./read-suite.ts"
export { openRecord, type Record } from "./record.ts"
export { type Scorer, ScorerError, type ScoringInput } from "./scorer.ts"
export { canonical, lastNumber, scorers } from "./scorers.ts"
export { suites } from "./suites.ts"
