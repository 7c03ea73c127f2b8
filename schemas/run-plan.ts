/**
 * RunPlan: one complete, runnable document. Its sections, and the facts that hold between them.
 *
 *   { "seed": 0, "model": {…}, "data": {…}, "adapter": {…}, "optimizer": {…}, "training": {…}, "output": {…} }
 *
 * `data.format` says what kind of plan it is: the `model` section is that kind's own, all other sections are the same.
 *
 * Complete and flat: no `extends`, no environment variables. A rule is a fact that no single field can state; each has a name, the
 * path it complains about, and one sentence. Rules run on plans whose structure is right, all of them at once (`decode.ts`).
 */
import * as Schema from "effect/Schema"
import { AdapterConfig, factsOfMethod, methodRules } from "./adapter.ts"
import { factsOfInit } from "./adapter-init.ts"
import { ArraysSection, CausalData, DataSection } from "./data.ts"
import { count, schemaKey, withDefault } from "./fields.ts"
import { CausalModelSection, LayersModelSection, ModelSection } from "./model.ts"
import { factorRules, type Moving, scheduleRules } from "./moving-rules.ts"
import { OptimizerConfig } from "./optimizer.ts"
import { type Rule, rule } from "./problems.ts"
import { OutputSection, TrainingSection } from "./training.ts"

const planOf = <Model extends Schema.Struct.Fields, Data extends Schema.Constraint>(
  model: Schema.Struct<Model>,
  data: Data,
  title: string,
  description: string
) =>
  Schema.Struct({
    $schema: schemaKey,
    seed: count(0, "Everything random depends on this and nothing else.").pipe(withDefault(0)),
    model,
    data,
    adapter: AdapterConfig.pipe(withDefault({ method: "lora" })),
    optimizer: OptimizerConfig,
    training: TrainingSection,
    output: OutputSection.pipe(withDefault({}))
  }).annotate({ title, description })

/** A Hugging Face encoder that classifies texts. */
export const ClassificationPlan = planOf(
  ModelSection,
  DataSection,
  "ClassificationPlan",
  "A training run over labelled texts."
)
export type ClassificationPlan = typeof ClassificationPlan.Type
export type ClassificationPlanInput = typeof ClassificationPlan.Encoded

/** A `tf.LayersModel` that classifies arrays. */
export const ArraysPlan = planOf(
  LayersModelSection,
  ArraysSection,
  "ArraysPlan",
  "A training run of a tf.LayersModel over labelled rows of numbers."
)
export type ArraysPlan = typeof ArraysPlan.Type

/** A causal language model and conversations, completions or texts. */
export const CausalPlan = planOf(
  CausalModelSection,
  CausalData,
  "CausalPlan",
  "A training run of a causal language model."
)
export type CausalPlan = typeof CausalPlan.Type

/** The kinds of plans by `data.format`. */
export const planKinds = {
  classification: ClassificationPlan,
  arrays: ArraysPlan,
  chat: CausalPlan,
  completion: CausalPlan,
  text: CausalPlan
} as const

export const RunPlan = Schema.Union([ClassificationPlan, ArraysPlan, CausalPlan]).annotate({
  title: "RunPlan",
  description: "A complete training run of tfjs-lora-pro."
})
/** A decoded plan: every default filled in. */
export type RunPlan = typeof RunPlan.Type
/** A plan as it is written: what has a default may be left out. */
export type RunPlanInput = typeof RunPlan.Encoded

const isClassificationPlan = (plan: RunPlan): plan is ClassificationPlan => plan.data.format === "classification"

const isArraysPlan = (plan: RunPlan): plan is ArraysPlan => plan.data.format === "arrays"

const isCausalPlan = (plan: RunPlan): plan is CausalPlan => !isClassificationPlan(plan) && !isArraysPlan(plan)

/** A fact about a whole plan. */
export type PlanRule = Rule<RunPlan>

const planRule = rule<RunPlan>

/** A rule about plans over texts. */
const textRule = (name: string, path: string, check: (plan: ClassificationPlan) => string | undefined): PlanRule =>
  planRule(name, path, (plan) => (isClassificationPlan(plan) ? check(plan) : undefined))

const overridesSaySomething: PlanRule = {
  name: "overrides-say-something",
  check: ({ adapter }) =>
    !("overrides" in adapter)
      ? []
      : adapter.overrides.flatMap((override, i) =>
          override.rank === undefined && override.alpha === undefined
            ? [
                {
                  path: `adapter.overrides.${i}`,
                  message: "found neither rank nor alpha; expected at least one of the two"
                }
              ]
            : []
        )
}

/** Rules about how parameters are moved, of a run plan. */
const ofPlan = (rules: ReadonlyArray<Rule<Moving>>): ReadonlyArray<PlanRule> =>
  rules.map(({ name, check }) => ({
    name,
    check: ({ adapter, optimizer, training }) => check({ method: factsOfMethod(adapter), optimizer, training })
  }))

export const rules: ReadonlyArray<PlanRule> = [
  ...ofPlan(factorRules),
  ...methodRules,
  textRule("gradient-reaches-the-sites", "model.task.headInit", ({ adapter, model: { task } }) =>
    "init" in adapter &&
    factsOfInit(adapter.init).calibration?.(adapter.init).what === "gradient" &&
    task.headInit === "zeros"
      ? `found "zeros" with adapter.init "${adapter.init.kind}", which needs the gradient of the first batches: through a head of zeros every layer's is 0; expected "normal" or "checkpoint" here, or another init`
      : undefined
  ),
  overridesSaySomething,
  textRule("checkpoint-head-needs-pooler", "model.task.headInit", ({ model: { task } }) =>
    task.headInit === "checkpoint" && task.pooling !== "pooler"
      ? `found "checkpoint" with pooling "${task.pooling}"; a checkpoint's classifier reads its pooler: set model.task.pooling to "pooler", or headInit to "normal" or "zeros"`
      : undefined
  ),
  planRule("packed-base-is-frozen", "model.weights", ({ adapter, model }) =>
    "weights" in model && model.weights !== "f32" && factsOfMethod(adapter).trains === "weights"
      ? `found "${model.weights}" with adapter.method "${adapter.method}", which trains the weights themselves; expected "f32" here, or another method`
      : undefined
  ),
  planRule("format-fits-the-model", "data.format", (plan) => {
    const { source } = plan.model
    const found = `found "${plan.data.format}" with model.source "${source}"`
    if (isArraysPlan(plan)) {
      return /\.json$/.test(source)
        ? undefined
        : `${found}; expected the model.json of a tf.LayersModel there, or another format here`
    }
    if (/\.json$/.test(source))
      return `${found}, a tf.LayersModel; expected "arrays" here, or a Hugging Face folder there`
    return isClassificationPlan(plan) && /\.gguf$|^hf:/.test(source)
      ? `${found}; expected the folder of an encoder there, or "chat", "completion" or "text" here`
      : undefined
  }),
  planRule("something-is-adapted", "adapter.method", (plan) =>
    isCausalPlan(plan) && factsOfMethod(plan.adapter).trains === "nothing" && plan.adapter.modulesToSave.length === 0
      ? `found "${plan.adapter.method}", which trains a head, for a causal language model, which has none; expected another method, or modulesToSave`
      : undefined
  ),
  planRule("blocks-to-recompute", "training.recompute", ({ data: { format }, training: { recompute } }) =>
    format === "arrays" && recompute === "blocks"
      ? 'found "blocks" for a tf.LayersModel, whose layers form no blocks; expected "none"'
      : undefined
  ),
  planRule("steps-or-epochs", "training", ({ training: { epochs, steps } }) =>
    steps === undefined && epochs === undefined
      ? "found neither steps nor epochs; expected exactly one of the two"
      : steps !== undefined && epochs !== undefined
        ? `found both steps (${steps}) and epochs (${epochs}); expected exactly one of the two`
        : undefined
  ),
  ...ofPlan(scheduleRules)
]
