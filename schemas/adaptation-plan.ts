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
    count(1, "Passes over the data. Set either this or steps; the argument epochs takes precedence.", "epochs")
  ),
  batchSize: count(1, "Rows per forward pass, for arrays and tensors; datasets are already batched.", "rows").pipe(
    withDefault(32)
  ),
  accumulate: TrainingSection.fields.accumulate,
  evaluateBatchSize: Schema.optionalKey(
    count(1, "Rows per forward pass in evaluations, for arrays and tensors.", "rows")
  ),
  diagnostics: TrainingSection.fields.diagnostics
}).annotate({ title: "AdaptationTraining", description: "How long to train, in which batches, and when to evaluate." })

export const AdaptationPlan = Schema.Struct({
  $schema: schemaKey,
  seed: count(0, "Seed of the order of the rows.").pipe(withDefault(0)),
  optimizer: Schema.optionalKey(OptimizerConfig),
  training: AdaptationTraining.pipe(withDefault({}))
}).annotate({ title: "AdaptationPlan", description: "How to adapt a tf.LayersModel." })

/** An adaptation plan as written in code or a file: fields with a default may be left out. */
export type AdaptationPlanInput = typeof AdaptationPlan.Encoded
/** A decoded adaptation plan with all defaults filled in, including the optimizer. */
export type AdaptationPlan = Omit<typeof AdaptationPlan.Type, "optimizer"> & {
  /** default: LoRA-Pro in form "full" if the adapter method supports it, otherwise AdamW, with learningRate "auto" */
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
 * Decodes an adaptation plan: returns the plan with all defaults filled in, or all problems. `method`: properties of the
 * adapter method.
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
