/** What every kind of plan is made of: its own `model` and `data` sections, the sections that all share, and rules about the whole. */
import * as Schema from "effect/Schema"
import { AdapterConfig, factsOfMethod } from "../adapter.ts"
import { count, listOf, schemaKey, share, text, withDefault } from "../fields.ts"
import { OptimizerConfig } from "../optimizer.ts"
import { type PlanProblem, type Rule, rule } from "../problems.ts"
import { OutputSection, TrainingSection } from "../training.ts"
import { dialect } from "./dialect.ts"

/**
 * Creates the schema of a kind's plan from its own sections: `model`, `data`, and in `own`, by name, those that other kinds do not have. A
 * section `loss` declares how the loss is measured: `{ loss: Schema.optionalKey(…) }`.
 */
export const planOf = <
  Model extends Schema.Struct.Fields,
  Data extends Schema.Constraint,
  Own extends Schema.Struct.Fields = Record<never, never>
>(
  model: Schema.Struct<Model>,
  data: Data,
  title: string,
  description: string,
  own: Own = {} as Own
) =>
  Schema.Struct({
    $schema: schemaKey,
    seed: count(0, "Seed of all random numbers.").pipe(withDefault(0)),
    model,
    data,
    ...own,
    adapter: AdapterConfig.pipe(withDefault({ method: "lora" })),
    optimizer: OptimizerConfig,
    training: TrainingSection,
    output: OutputSection.pipe(withDefault({}))
  }).annotate({ title, description })

/** Sections of plans of every kind. */
export interface AnyPlan {
  /** the model section */
  readonly model: {
    /** a folder, or a model of the Hub: hf:owner/name[@revision] */
    readonly source: string
    /** precision of the frozen linear weights in memory; default "f32" */
    readonly weights?: string
  }
  /** the data section */
  readonly data: {
    /** format of the rows; a kind of plan has one or more */
    readonly format: string
    /** a file, or the fraction of the training rows to hold out, in (0, 1); absent: no evaluations during training */
    readonly validation?: string | number
  }
  /** method, targets and their options */
  readonly adapter: typeof AdapterConfig.Type
  /** kind, learning rate and options of the kind */
  readonly optimizer: typeof OptimizerConfig.Type
  /** steps, batches, evaluations, seed */
  readonly training: typeof TrainingSection.Type
}

/** A kind of plan: its schema by `data.format`, and the rules for its plans. */
export interface PlanKind<Format extends string, Plan extends AnyPlan, S extends Schema.Top> {
  readonly formats: { readonly [F in Format]: S }
  readonly rules: ReadonlyArray<Rule<Plan>>
  /** whether runs ignore the dropout of the adapter in `adapter.from` */
  readonly ownDropout?: true
}

/** A kind of plan, whichever it is: its rules take plans of it alone. */
interface AnyPlanKind {
  readonly formats: { readonly [format: string]: unknown }
  readonly rules: ReadonlyArray<Rule<never>>
}

/** Returns the rules of a kind as rules for any plan; plans of other kinds pass. */
export const rulesOf = ({ formats, rules }: AnyPlanKind): ReadonlyArray<Rule<AnyPlan>> =>
  rules.map(({ name, check }) => ({
    name,
    check: (plan): ReadonlyArray<PlanProblem> => (Object.hasOwn(formats, plan.data.format) ? check(plan as never) : [])
  }))

const isTopology = (source: string): boolean => /\.json$/.test(source)

/** Returns the rule that `data.format` fits `model.source`. `expected` returns the end of the message, or undefined if it fits. */
export const formatFitsTheModel = <Plan extends AnyPlan>(
  expected: (source: string) => string | undefined
): Rule<Plan> =>
  rule("format-fits-the-model", "data.format", ({ model: { source }, data: { format } }) => {
    const wrong = expected(source)
    return wrong === undefined ? undefined : `found "${format}" with model.source "${source}"${wrong}`
  })

/** Returns the end of a message if the source is a tf.LayersModel and the format requires a Hugging Face model. */
export const noTopology = (source: string): string | undefined =>
  isTopology(source)
    ? `, a tf.LayersModel; set data.format to "arrays", or model.source to a Hugging Face folder`
    : undefined

export const onlyTopology = (source: string): string | undefined =>
  isTopology(source) ? undefined : "; set model.source to the model.json of a tf.LayersModel, or choose another format"

/** Returns the rule that a model without a head has something to train. `model`: "a causal language model". */
export const somethingIsAdapted = (model: string): Rule<AnyPlan> =>
  rule("something-is-adapted", "adapter.method", ({ adapter }) =>
    factsOfMethod(adapter).trains === "nothing" && adapter.modulesToSave.length === 0
      ? `found "${adapter.method}", which trains only a head, for ${model}, which has no head; choose another method, or set modulesToSave`
      : undefined
  )

/** The formats of `src/data/formats`. */
const path = "a path to a .jsonl, .csv or .parquet file"
const extensions = ".jsonl, .json, .csv, .tsv, these as .gz, .parquet, .zip, or hf:datasets/owner/name"

const splitsOf = (path: string, extensions: string) => {
  const file = (what: string) => text(path, `${what} Relative to the plan file.`)
  return {
    train: file(`Rows to train on (${extensions}).`),
    validation: Schema.optionalKey(
      Schema.Union([
        file("Rows to evaluate on during training."),
        share("Fraction of the training rows to hold out.")
      ]).annotate({
        expected: `${path}, or a fraction between 0 and 1 of the training rows`,
        description: "Rows to evaluate on during training: a file, or the fraction of the training rows to hold out."
      })
    ),
    test: Schema.optionalKey(file("Rows to evaluate on after training.")),
    ...dialect
  }
}

/** Fields of every `data` section. */
export const splits = splitsOf(path, extensions)

/** Fields of `data` sections whose rows may be the files of a folder. */
export const folderSplits = splitsOf(
  `${path}, or to a folder`,
  `a folder with a folder of images per label, a .zip of it, or a file of rows: ${extensions}`
)

/** Returns the schema of a column name. */
export const column = (what: string) => text("a column name", what)

export const columnsExpected = "a list of distinct column names"

/** Returns the schema of a list of column names. */
export const columnList = (one: string, all: string) =>
  listOf(1, column(one), columnsExpected, all).check(Schema.isUnique({ expected: columnsExpected }))
