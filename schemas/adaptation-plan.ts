/**
 * AdaptationPlan: how an adapted model is trained in code, `adapted.fitDataset(dataset, { plan })`. The sections of a
 * run plan that say so; model, data and adapter are there already.
 *
 *   { "seed": 0, "optimizer": {…}, "training": { "epochs": 3, "accumulate": 2 } }
 *
 * The sections' words, defaults and rules are those of run plans (`moving-rules.ts`). All of it may be left out.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { MethodFacts } from "./adapter.ts"
import { count, schemaKey, strict, withDefault } from "./fields.ts"
import { problemsOf } from "./issues.ts"
import { factorRules, type Moving, scheduleRules } from "./moving-rules.ts"
import { OptimizerConfig } from "./optimizer.ts"
import { type PlanProblem, type Rule, rule } from "./problems.ts"
import { TrainingSection } from "./training.ts"

export const AdaptationTraining = Schema.Struct({
  steps: TrainingSection.fields.steps,
  epochs: Schema.optionalKey(
    count(1, "Passes over the data. Either this or steps; the argument epochs wins.", "epochs")
  ),
  batchSize: count(1, "Rows per forward pass, of arrays and tensors; a dataset has batches already.", "rows").pipe(
    withDefault(32)
  ),
  accumulate: TrainingSection.fields.accumulate,
  evaluateBatchSize: Schema.optionalKey(
    count(1, "Rows per forward pass of a validation on arrays and tensors.", "rows")
  ),
  diagnostics: TrainingSection.fields.diagnostics
}).annotate({ title: "AdaptationTraining", description: "How long, in which portions, and when to evaluate." })

export const AdaptationPlan = Schema.Struct({
  $schema: schemaKey,
  seed: count(0, "The order of the rows depends on this and nothing else.").pipe(withDefault(0)),
  optimizer: Schema.optionalKey(OptimizerConfig),
  training: AdaptationTraining.pipe(withDefault({}))
}).annotate({ title: "AdaptationPlan", description: "How a tf.LayersModel is adapted." })

/** As it is written. */
export type AdaptationPlanInput = typeof AdaptationPlan.Encoded
/** A decoded plan: every default filled in, the optimizer's too. */
export type AdaptationPlan = Omit<typeof AdaptationPlan.Type, "optimizer"> & {
  /** where none was given, LoRA-Pro in its full form if its theorem holds, else AdamW, at a rate that is found */
  readonly optimizer: OptimizerConfig
}

/** LoRA-Pro in its full form where its theorem holds, else AdamW; at a rate that is found on the first batches. */
const defaultOptimizer = ({ theorem }: MethodFacts): (typeof OptimizerConfig)["Encoded"] => ({
  kind: theorem.holds ? "lora-pro" : "adamw",
  learningRate: "auto"
})

type Judged = Moving & { readonly training: Pick<AdaptationPlan["training"], "epochs"> }

const stepsOrEpochs: Rule<Judged> = rule("steps-or-epochs", "training", ({ training: { steps, epochs } }) =>
  steps !== undefined && epochs !== undefined
    ? `found both steps (${steps}) and epochs (${epochs}); expected at most one of the two`
    : undefined
)

export const adaptationRules: ReadonlyArray<Rule<Judged>> = [...factorRules, stepsOrEpochs, ...scheduleRules]

const decodeStructure = Schema.decodeUnknownResult(AdaptationPlan, strict)
const decodeOptimizer = Schema.decodeUnknownSync(OptimizerConfig)

/**
 * All that is wrong with a plan as written, or the plan with every default filled in. `method`: what the model is
 * adapted with.
 */
export const decodeAdaptationPlan = (
  input: unknown,
  method: MethodFacts
): Result.Result<AdaptationPlan, ReadonlyArray<PlanProblem>> => {
  const decoded = decodeStructure(input)
  if (Result.isFailure(decoded)) return Result.fail(problemsOf(decoded.failure.issue, AdaptationPlan.ast))
  const { optimizer = decodeOptimizer(defaultOptimizer(method)), ...rest } = decoded.success
  const plan: AdaptationPlan = { ...rest, optimizer }
  const violations = adaptationRules.flatMap(({ check }) => check({ ...plan, method }))
  return violations.length > 0 ? Result.fail(violations) : Result.succeed(plan)
}
