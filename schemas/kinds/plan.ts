/** What every kind of plan is made of: its own `model` and `data` sections, the sections that all share, and rules about the whole. */
import * as Schema from "effect/Schema"
import { AdapterConfig, factsOfMethod } from "../adapter.ts"
import { count, listOf, schemaKey, share, text, withDefault } from "../fields.ts"
import { OptimizerConfig } from "../optimizer.ts"
import { type PlanProblem, type Rule, rule } from "../problems.ts"
import { OutputSection, TrainingSection } from "../training.ts"
import { dialect } from "./dialect.ts"

/**
 * A plan of some kind, from its own sections: `model`, `data`, and those that other kinds have not, in `own` by their names. A section
 * `loss` says how what is learned is measured: `{ loss: Schema.optionalKey(…) }`.
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
    seed: count(0, "Everything random depends on this and nothing else.").pipe(withDefault(0)),
    model,
    data,
    ...own,
    adapter: AdapterConfig.pipe(withDefault({ method: "lora" })),
    optimizer: OptimizerConfig,
    training: TrainingSection,
    output: OutputSection.pipe(withDefault({}))
  }).annotate({ title, description })

/** What every plan has, whatever its kind. */
export interface AnyPlan {
  /** the model section */
  readonly model: {
    /** a folder, or a model of the Hub: hf:owner/name[@revision] */
    readonly source: string
    /** how the frozen weights of linear layers are held; absent or "f32": in float32 */
    readonly weights?: string
  }
  /** the data section */
  readonly data: {
    /** the kind of the rows: a kind of run has one or several */
    readonly format: string
    /** a file, or the share of the training rows that is held out, in (0, 1); absent: nothing is evaluated on the way */
    readonly validation?: string | number
  }
  /** method, targets and their options */
  readonly adapter: typeof AdapterConfig.Type
  /** kind, learning rate and the kind's own options */
  readonly optimizer: typeof OptimizerConfig.Type
  /** steps, batches, evaluations, seed */
  readonly training: typeof TrainingSection.Type
}

/** A kind of plan: its schema under each `data.format` that it has, and the rules about plans of it alone. */
export interface PlanKind<Format extends string, Plan extends AnyPlan, S extends Schema.Top> {
  readonly formats: { readonly [F in Format]: S }
  readonly rules: ReadonlyArray<Rule<Plan>>
  /** a run that begins with an adapter does not take that adapter's dropout: without one in the plan it has none */
  readonly ownDropout?: true
}

/** A kind of plan, whichever it is: its rules take plans of it alone. */
interface AnyPlanKind {
  readonly formats: { readonly [format: string]: unknown }
  readonly rules: ReadonlyArray<Rule<never>>
}

/** Rules of a kind, as rules about any plan: nothing is wrong with plans of other kinds. */
export const rulesOf = ({ formats, rules }: AnyPlanKind): ReadonlyArray<Rule<AnyPlan>> =>
  rules.map(({ name, check }) => ({
    name,
    check: (plan): ReadonlyArray<PlanProblem> => (Object.hasOwn(formats, plan.data.format) ? check(plan as never) : [])
  }))

const isTopology = (source: string): boolean => /\.json$/.test(source)

/** `expected` says what is wrong with a source, as the end of a sentence; undefined where the format is right for it. */
export const formatFitsTheModel = <Plan extends AnyPlan>(
  expected: (source: string) => string | undefined
): Rule<Plan> =>
  rule("format-fits-the-model", "data.format", ({ model: { source }, data: { format } }) => {
    const wrong = expected(source)
    return wrong === undefined ? undefined : `found "${format}" with model.source "${source}"${wrong}`
  })

/** A tf.LayersModel where rows of text need a model of Hugging Face. */
export const noTopology = (source: string): string | undefined =>
  isTopology(source) ? `, a tf.LayersModel; expected "arrays" here, or a Hugging Face folder there` : undefined

export const onlyTopology = (source: string): string | undefined =>
  isTopology(source) ? undefined : "; expected the model.json of a tf.LayersModel there, or another format here"

/** `model`: "a causal language model", and whatever else has no head. */
export const somethingIsAdapted = (model: string): Rule<AnyPlan> =>
  rule("something-is-adapted", "adapter.method", ({ adapter }) =>
    factsOfMethod(adapter).trains === "nothing" && adapter.modulesToSave.length === 0
      ? `found "${adapter.method}", which trains a head, for ${model}, which has none; expected another method, or modulesToSave`
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
        file("Rows to evaluate during training."),
        share("The share of the training rows held out.")
      ]).annotate({
        expected: `${path}, or a fraction between 0 and 1 of the training rows`,
        description:
          "Rows to evaluate during training: a file, or the share of the training rows that is held out for it."
      })
    ),
    test: Schema.optionalKey(file("Rows to evaluate at the end.")),
    ...dialect
  }
}

/** The fields of every data section. */
export const splits = splitsOf(path, extensions)

/** The same where rows may be the files of a folder. */
export const folderSplits = splitsOf(
  `${path}, or to a folder`,
  `a folder with a folder of images for each label, a .zip of it, or a file of rows: ${extensions}`
)

/** The name of a column. */
export const column = (what: string) => text("the name of a column", what)

export const columnsExpected = "a list of names of columns, each once"

/** Several columns. */
export const columnList = (one: string, all: string) =>
  listOf(1, column(one), columnsExpected, all).check(Schema.isUnique({ expected: columnsExpected }))
