/**
 * Options in code: decoded by the schemas of plans, so that they have the defaults of plans, and what is wrong with them is said in the
 * same sentences, all at once. A field that is undefined is one that was left out.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { listedLines } from "../src/boundary/index.ts"
import { strict } from "./fields.ts"
import { problemsOf } from "./issues.ts"
import type { PlanProblem, Rule } from "./problems.ts"

/** Error of invalid options of a function. */
export class OptionsError extends Schema.TaggedError<OptionsError>()("OptionsError", {
  /** name of the function: "Training.openSession" */
  of: Schema.String,
  /** all problems, each with the path of its option */
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return listedLines(this.problems, ({ path, message }) => `${this.of}: ${path}: ${message}`)
  }
}

/** Returns the fields that are not undefined. */
export const withoutUndefined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** Decodes options and fills in their defaults. Fails with all problems: those of the schema first, then those of the rules. */
export const decodeOptions = <Decoded, Written>(
  schema: Schema.Codec<Decoded, Written>,
  options: object,
  rules: ReadonlyArray<Rule<Decoded>> = []
): Result.Result<Decoded, ReadonlyArray<PlanProblem>> => {
  const decoded = Schema.decodeUnknownResult(schema, strict)(withoutUndefined(options))
  if (Result.isFailure(decoded)) return Result.fail(problemsOf(decoded.failure.issue, schema.ast))
  const violations = rules.flatMap(({ check }) => check(decoded.success))
  return violations.length > 0 ? Result.fail(violations) : Result.succeed(decoded.success)
}
