import * as Schema from "effect/Schema"
import { encodings, separatorNames } from "../../../schemas/index.ts"
import type * as Values from "./values.ts"

/** A verb of either table: the schema of its input, and the type of its output. */
interface Verb<In, Out> {
  readonly input: Schema.Codec<In, unknown>
  readonly output?: Out
  /** it starts, stops, writes or removes something: not in a folder that its user does not trust */
  readonly changes?: true
}

const answers =
  <Out>() =>
  <In>(input: Schema.Codec<In, unknown>): Verb<In, Out> => ({ input })

const changes =
  <Out>() =>
  <In>(input: Schema.Codec<In, unknown>): Verb<In, Out> => ({ input, changes: true })

const Nothing = Schema.Struct({})
const Json = Schema.Record(Schema.String, Schema.Unknown)
const Run = Schema.Struct({ id: Schema.String })
const Text = Schema.String

/** Columns by what they are for, as the flags of `suggest` name them; what is not named is found. */
const Columns = Schema.Record(Schema.String, Schema.String)

/** Overrides of the detected dialect of a text file, as `data.separator` and `data.encoding` of a plan. */
const dialect = {
  separator: Schema.optionalKey(Schema.Literals(separatorNames)),
  encoding: Schema.optionalKey(Schema.Literals(encodings))
}

/** A model with its adapter, and without. */
const Side = Schema.Literals(["trained", "base"])

/** The splits next to the training rows, as `rows` names them. */
const splits = { validation: Schema.optionalKey(Text), test: Schema.optionalKey(Text) }

/** Which methods are compared, on which plan (its id), and how often. */
const StudyAsked = Schema.Struct({
  plan: Text,
  methods: Schema.Array(Text),
  /** the same for every method; absent: each one's own */
  learningRates: Schema.optionalKey(Schema.Array(Schema.Finite)),
  seeds: Schema.Int,
  freshSeeds: Schema.Int
})

export const calls = {
  about: answers<Values.About>()(Nothing),
  /** Trusts the folder that the studio is started in, now and later. */
  trust: answers<null>()(Nothing),
  /** what computes, for people: "native, 2 threads, AVX-512" */
  device: answers<string>()(Nothing),
  models: answers<ReadonlyArray<Values.BaseModel>>()(Nothing),
  /** the JSON Schema of plans */
  schema: answers<object>()(Nothing),
  examples: answers<ReadonlyArray<Values.ExampleRows>>()(Nothing),
  rows: answers<Values.Rows>()(Schema.Struct({ source: Text, ...dialect })),
  /** The roles that columns can have for a model. */
  roles: answers<ReadonlyArray<Values.ColumnRole>>()(Schema.Struct({ model: Text })),
  /** What the rows could teach a model, best first. */
  detect: answers<Values.DetectedRows>()(
    Schema.Struct({
      /** absent: of the models that come with the studio, the one that suits */
      model: Schema.optionalKey(Text),
      train: Text,
      columns: Schema.optionalKey(Columns),
      ...dialect
    })
  ),
  suggest: answers<Values.SuggestedPlan>()(
    Schema.Struct({
      model: Text,
      train: Text,
      /** of what was chosen of `detect` */
      format: Schema.optionalKey(Text),
      ...splits,
      columns: Schema.optionalKey(Columns),
      ...dialect
    })
  ),
  /** A plan to begin with where none can be suggested, or before there are rows. It reads no rows: `names` are those of their columns. */
  outline: answers<Values.OutlinedPlan>()(
    Schema.Struct({
      /** absent: the first that comes with the studio */
      model: Schema.optionalKey(Text),
      ...splits,
      train: Schema.optionalKey(Text),
      names: Schema.optionalKey(Schema.Array(Text)),
      /** of what was chosen of `detect` */
      format: Schema.optionalKey(Text),
      columns: Schema.optionalKey(Columns),
      ...dialect
    })
  ),
  check: answers<Values.Checked>()(Schema.Struct({ plan: Json })),
  /** Starts a run, after the one that is training unless `now`; returns its id before it is loaded. */
  start: changes<{ readonly id: string }>()(
    Schema.Struct({ name: Text, plan: Json, now: Schema.optionalKey(Schema.Boolean) })
  ),
  runs: answers<ReadonlyArray<Values.RunSummary>>()(Nothing),
  /** Lets it finish its step and save; one that waits is taken from the queue. */
  stop: changes<null>()(Run),
  /** Resumes a stopped or failed run, after the one that is training unless `now`; with `now` a waiting run starts. */
  resume: changes<null>()(Schema.Struct({ id: Text, now: Schema.optionalKey(Schema.Boolean) })),
  /** With its folder and all that the host keeps of it; one that waits is taken from the queue. Refused for a run that anything works with. */
  remove: changes<null>()(Run),
  /** Keeps a user's comment on a run, and whether it is archived, in the run's folder; what is absent stays. */
  annotate: changes<null>()(
    Schema.Struct({ id: Text, comment: Schema.optionalKey(Text), archived: Schema.optionalKey(Schema.Boolean) })
  ),
  result: answers<Values.RunResult>()(Run),
  /** The fields of the plans of several runs that differ, a row for each; a column for each run, in the order asked for. */
  differences: answers<Values.TableOfTexts>()(Schema.Struct({ ids: Schema.Array(Text) })),
  /** One plot of several runs, `points` for each series at most. */
  curves: answers<Values.Curves>()(Schema.Struct({ ids: Schema.Array(Text), plot: Text, points: Schema.Int })),
  /** The rows that a cell of a confusion matrix counts, `most` at most. */
  cell: answers<ReadonlyArray<Values.JudgedRow>>()(
    Schema.Struct({ id: Text, split: Text, label: Text, predicted: Text, most: Schema.Int })
  ),
  askable: answers<Values.Askable>()(Run),
  ask: answers<ReadonlyArray<Values.AnswerPair>>()(
    Schema.Struct({
      id: Text,
      rows: Schema.Array(Schema.Record(Text, Text)),
      /** sides to predict with; default both */
      sides: Schema.optionalKey(Schema.Array(Side))
    })
  ),
  exits: answers<ReadonlyArray<Values.Exit>>()(Run),
  /** The exports of a run that exist. */
  exported: answers<ReadonlyArray<Values.Exported>>()(Run),
  /** With its folder, by its id. */
  removeExport: changes<null>()(Run),
  methods: answers<ReadonlyArray<Values.ComparedMethod>>()(Nothing),
  studies: answers<ReadonlyArray<Values.StudySummary>>()(Nothing),
  /** plans of this folder: of its runs, and files */
  plans: answers<ReadonlyArray<Values.ComparablePlan>>()(Nothing),
  sizeStudy: answers<Values.StudySize>()(StudyAsked),
  startStudy: changes<{ readonly id: string }>()(
    Schema.Struct({
      ...StudyAsked.fields,
      /** trials at a time */
      workers: Schema.Int
    })
  ),
  stopStudy: changes<null>()(Run),
  resumeStudy: changes<null>()(Run),
  /** With its folder and all runs in it. Refused for one that is under way. */
  removeStudy: changes<null>()(Run)
}

export const watches = {
  /** The whole list, at first and whenever any of it changes. */
  runs: answers<ReadonlyArray<Values.RunSummary>>()(Nothing),
  run: answers<Values.RunEvent>()(Run),
  study: answers<Values.StudyEvent>()(Run),
  write: answers<Values.WritingEvent>()(
    Schema.Struct({
      id: Text,
      /** a conversation so far; of a text that is continued or read, one message of the user */
      messages: Schema.Array(Schema.Struct({ role: Text, content: Text })),
      /** of a conversation: a JSON list of the tools that may be called, as typed; absent or empty: none */
      tools: Schema.optionalKey(Text),
      tokens: Schema.Int,
      temperature: Schema.Finite,
      seed: Schema.Int,
      sides: Schema.Array(Side)
    })
  ),
  export: changes<Values.ExportEvent>()(
    Schema.Struct({ id: Text, format: Text, options: Schema.Record(Text, Schema.Array(Text)) })
  ),
  /** Sends a finished run to the Hub, or one of its exports. */
  push: changes<Values.PushEvent>()(
    Schema.Struct({
      id: Text,
      /** owner/name */
      repository: Text,
      isPrivate: Schema.Boolean,
      /** of an export; absent: the adapter, with its card, plan and record */
      folder: Schema.optionalKey(Text),
      /** owner/name of the base model on the Hub; absent: as the plan names it */
      base: Schema.optionalKey(Text),
      /** with report.html, which shows misclassified rows */
      withReport: Schema.Boolean,
      /** lists the files; nothing is sent */
      isPreview: Schema.Boolean
    })
  )
}

type Calls = typeof calls
type Watches = typeof watches
export type CallName = keyof Calls
export type WatchName = keyof Watches

type InputOf<V> = V extends Verb<infer In, infer _> ? In : never
type OutputOf<V> = V extends Verb<infer _, infer Out> ? Out : never

export type Input<Name extends CallName> = InputOf<Calls[Name]>
export type Output<Name extends CallName> = OutputOf<Calls[Name]>
export type WatchInput<Name extends WatchName> = InputOf<Watches[Name]>
export type WatchEvent<Name extends WatchName> = OutputOf<Watches[Name]>

export type * from "./values.ts"
