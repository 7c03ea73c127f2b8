/**
 * Options in code: decoded by the schemas of plans, so that they have the defaults of plans, and what is wrong with them is said in the
 * same sentences, all at once. A field that is undefined is one that was left out.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { strict } from "./fields.ts"
import { problemsOf } from "./issues.ts"
import { withoutUndefined } from "./left-out.ts"
import type { PlanProblem, Rule } from "./problems.ts"

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
