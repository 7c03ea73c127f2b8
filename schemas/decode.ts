/**
 * The one way from unknown data to a RunPlan: strict, and every problem at once.
 *
 * Structure first (unknown keys, types, ranges, missing keys); a plan whose structure is right is held against the rules of
 * run-plan.ts, all of them. Nothing here knows files: paths in the result are as written (src/plan/read.ts resolves them).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ParseOptions } from "effect/SchemaAST"
import { type PlanProblem, problemsOf } from "./problems.ts"
import { RunPlan, rules } from "./run-plan.ts"

/** None of these is the library's default: it stops at the first error, drops unknown keys and hides the found value. */
export const strict = { errors: "all", onExcessProperty: "error", reportInput: true } as const satisfies ParseOptions

/** A plan that cannot be run as it is written. `file` is the plan's file as the user named it, absent for a plan from code. */
export class PlanError extends Schema.TaggedError<PlanError>()("PlanError", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })),
  file: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const lines = this.problems.map(({ path, message }) => `${path === "" ? "plan" : path}: ${message}`)
    if (this.file === undefined) return lines.join("\n")
    const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`
    return [`${this.file}: ${count}`, ...lines.map((line) => `  ${line}`)].join("\n")
  }
}

const decodeStructure = Schema.decodeUnknownResult(RunPlan, strict)

/** All that is wrong with a plan as written; for a sound one, the plan with every default filled in. */
export const decodeRunPlanResult = (input: unknown): Result.Result<RunPlan, ReadonlyArray<PlanProblem>> => {
  const decoded = decodeStructure(input)
  if (Result.isFailure(decoded)) return Result.fail(problemsOf(decoded.failure.issue, RunPlan.ast))
  const violations = rules.flatMap((rule) => rule.check(decoded.success))
  return violations.length > 0 ? Result.fail(violations) : Result.succeed(decoded.success)
}

/** Decode unknown data as a plan. Fails with every problem found. */
export const decodeRunPlan = (input: unknown): Effect.Effect<RunPlan, PlanError> => {
  const result = decodeRunPlanResult(input)
  return Result.isFailure(result)
    ? Effect.fail(new PlanError({ problems: result.failure }))
    : Effect.succeed(result.success)
}
