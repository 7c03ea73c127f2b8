/**
 * The one way from unknown data to a RunPlan: strict, and every problem at once.
 *
 * Structure first (unknown keys, types, ranges, missing keys); a plan whose structure is right is checked by the rules of
 * run-plan.ts, all of them. Nothing here knows files: paths in the result are as written (src/plan/read.ts resolves them).
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { counted, cut, listedLines } from "../src/boundary/index.ts"
import { inTodaysWords } from "./earlier-plans.ts"
import { strict } from "./fields.ts"
import { mostProblems, problemsOf } from "./issues.ts"
import { ClassificationPlan } from "./kinds/classification.ts"
import { planKinds } from "./kinds/index.ts"
import { closest, oneOf, type PlanProblem, showValue } from "./problems.ts"
import { type RunPlan, rules } from "./run-plan.ts"

export { strict } from "./fields.ts"

/** Error of an invalid plan. `problems`: all of them, each with its path; `file`: the plan's file as the user named it, absent for plans in code. */
export class PlanError extends Schema.TaggedError<PlanError>()("PlanError", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })),
  file: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const { problems, file } = this
    const indent = file === undefined ? "" : "  "
    const lines = listedLines(
      problems,
      ({ path, message }) => `${indent}${path === "" ? "plan" : cut(path)}: ${message}`
    )
    if (file === undefined) return lines
    const count = counted(problems.length, "problem")
    return `${file}: ${problems.length >= mostProblems ? `the first ${count}` : count}\n${lines}`
  }
}

const formats = Object.keys(planKinds)

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** What is wrong with `data.format`, which decides what else a plan may hold. */
const formatProblem = (input: unknown): PlanProblem | undefined => {
  if (!isRecord(input) || !isRecord(input["data"]) || Array.isArray(input["data"])) return undefined
  const { format } = input["data"]
  if (format === undefined) return { path: "data.format", message: `missing; expected ${oneOf(formats)}` }
  if (typeof format === "string" && Object.hasOwn(planKinds, format)) return undefined
  const near = typeof format === "string" ? closest(format, formats) : undefined
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  return { path: "data.format", message: `found ${showValue(format)}; expected ${oneOf(formats)}${hint}` }
}

const formatOf = (input: unknown): keyof typeof planKinds =>
  (input as { readonly data?: { readonly format?: keyof typeof planKinds } } | null)?.data?.format ?? "classification"

const isOfFormat = ({ path }: PlanProblem): boolean => /^(data|model|loss)(\.|$)/.test(path)

/** The schema that a plan is checked against. Without a known format, that of any kind checks the sections that all share. */
const schemaOf = (input: unknown): Schema.Codec<RunPlan, unknown> =>
  (formatProblem(input) === undefined ? planKinds[formatOf(input)] : undefined) ?? ClassificationPlan

/** Against the structure of the plan's kind. Where that is not known, what is wrong with the sections that all kinds share. */
const decodeStructure = (input: unknown): Result.Result<RunPlan, ReadonlyArray<PlanProblem>> => {
  const format = formatProblem(input)
  const kind = schemaOf(input)
  const decoded = Schema.decodeUnknownResult(kind, strict)(input)
  const problems = Result.isFailure(decoded) ? problemsOf(decoded.failure.issue, kind.ast) : []
  if (format !== undefined) return Result.fail([format, ...problems.filter((problem) => !isOfFormat(problem))])
  return Result.isFailure(decoded) ? Result.fail(problems) : Result.succeed(decoded.success)
}

/** Decodes unknown data as a plan: returns the plan with all defaults filled in, or all problems. */
export const decodeRunPlanResult = (input: unknown): Result.Result<RunPlan, ReadonlyArray<PlanProblem>> => {
  const decoded = decodeStructure(inTodaysWords(input))
  if (Result.isFailure(decoded)) return decoded
  const violations = rules.flatMap((rule) => rule.check(decoded.success))
  return violations.length > 0 ? Result.fail(violations) : decoded
}

/**
 * Decodes unknown data as a plan. Fails with a PlanError that lists all problems.
 *
 * @example
 * import { Console, Effect } from "effect"
 * import { decodeRunPlan } from "tfjs-lora-pro/schemas"
 *
 * const report = decodeRunPlan({ model: { source: "models/minilm" }, training: { steps: 0 } }).pipe(
 *   Effect.matchEffect({
 *     onSuccess: ({ adapter }) => Console.log(adapter.method),
 *     onFailure: ({ problems }) => Console.log(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"))
 *   })
 * )
 */
export const decodeRunPlan = (input: unknown): Effect.Effect<RunPlan, PlanError> => {
  const result = decodeRunPlanResult(input)
  return Result.isFailure(result)
    ? Effect.fail(new PlanError({ problems: result.failure }))
    : Effect.succeed(result.success)
}

/** Decodes like `decodeRunPlan`; problems also name the plan's field for keys of other tools. */
export const decodeForeignPlan = (input: unknown): Effect.Effect<RunPlan, PlanError> =>
  Effect.catchTag(decodeRunPlan(input), "PlanError", ({ problems }) =>
    Effect.gen(function* () {
      // loaded where there is something to answer
      const { answered } = yield* Effect.promise(() => import("./elsewhere.ts"))
      return yield* new PlanError({ problems: answered(problems, schemaOf(input).ast) })
    })
  )
