/**
 * What the page asks its host for: a table of calls, which have one answer, and one of watches, which have events until they end. A host is
 * a server on this machine or a worker in the page; the table is the same, and so is what answers most of it.
 *
 * What comes in is decoded by the schemas here, for a server believes no page; what goes out is typed alone.
 */
import * as Schema from "effect/Schema"
import { encodings, separatorNames } from "../../../schemas/index.ts"
import type {
  About,
  AnswerPair,
  Askable,
  BaseModel,
  Checked,
  ColumnRole,
  ComparablePlan,
  ComparedMethod,
  Curves,
  ExampleRows,
  Exit,
  ExportEvent,
  Exported,
  JudgedRow,
  OutlinedPlan,
  Rows,
  RunEvent,
  RunResult,
  RunSummary,
  StudyEvent,
  StudySize,
  StudySummary,
  SuggestedPlan,
  WritingEvent
} from "./values.ts"

/** A verb of either table: the schema of what is asked, and the type of what is answered. */
export interface Verb<In, Out> {
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

/** How a file of text is written, where that is said and not found: as `data.separator` and `data.encoding` of a plan. */
const dialect = {
  separator: Schema.optionalKey(Schema.Literals(separatorNames)),
  encoding: Schema.optionalKey(Schema.Literals(encodings))
}

/** What lies beside the rows to train on, as `rows` names it. */
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
  about: answers<About>()(Nothing),
  /** Trusts the folder that the studio is started in, now and later. */
  trust: answers<null>()(Nothing),
  /** what computes, for people: "native, 2 threads, AVX-512" */
  device: answers<string>()(Nothing),
  models: answers<ReadonlyArray<BaseModel>>()(Nothing),
  /** the JSON Schema of plans */
  schema: answers<object>()(Nothing),
  examples: answers<ReadonlyArray<ExampleRows>>()(Nothing),
  rows: answers<Rows>()(Schema.Struct({ source: Text, ...dialect })),
  /** The roles that columns can have for a model. */
  roles: answers<ReadonlyArray<ColumnRole>>()(Schema.Struct({ model: Text })),
  suggest: answers<SuggestedPlan>()(
    Schema.Struct({
      model: Text,
      train: Text,
      ...splits,
      columns: Schema.optionalKey(Columns),
      ...dialect
    })
  ),
  /** A plan to begin with where none can be suggested, or before there are rows. It reads no rows: `names` are those of their columns. */
  outline: answers<OutlinedPlan>()(
    Schema.Struct({
      /** absent: the first that comes with the studio */
      model: Schema.optionalKey(Text),
      ...splits,
      train: Schema.optionalKey(Text),
      names: Schema.optionalKey(Schema.Array(Text)),
      columns: Schema.optionalKey(Columns),
      ...dialect
    })
  ),
  check: answers<Checked>()(Schema.Struct({ plan: Json })),
  /** Begins to train, after what trains already unless `now`; the answer is the run, which is not opened yet. */
  start: changes<{ readonly id: string }>()(
    Schema.Struct({ name: Text, plan: Json, now: Schema.optionalKey(Schema.Boolean) })
  ),
  runs: answers<ReadonlyArray<RunSummary>>()(Nothing),
  /** Lets it finish its step and save; one that waits is taken from the queue. */
  stop: changes<null>()(Run),
  /** Goes on with a run that is stopped or has failed, after what trains already unless `now`; with `now` one that waits begins. */
  resume: changes<null>()(Schema.Struct({ id: Text, now: Schema.optionalKey(Schema.Boolean) })),
  /** With its folder and all that the host keeps of it; one that waits is taken from the queue. Refused for a run that anything works with. */
  remove: changes<null>()(Run),
  result: answers<RunResult>()(Run),
  /** One plot of several runs, `points` for each series at most. */
  curves: answers<Curves>()(Schema.Struct({ ids: Schema.Array(Text), plot: Text, points: Schema.Int })),
  /** The rows behind a cell of a confusion matrix, `most` at most. */
  cell: answers<ReadonlyArray<JudgedRow>>()(
    Schema.Struct({ id: Text, split: Text, label: Text, predicted: Text, most: Schema.Int })
  ),
  askable: answers<Askable>()(Run),
  ask: answers<ReadonlyArray<AnswerPair>>()(Schema.Struct({ id: Text, rows: Schema.Array(Schema.Record(Text, Text)) })),
  exits: answers<ReadonlyArray<Exit>>()(Run),
  /** What exports of a run left that are there still. */
  exported: answers<ReadonlyArray<Exported>>()(Run),
  /** With its folder, by its id. */
  removeExport: changes<null>()(Run),
  methods: answers<ReadonlyArray<ComparedMethod>>()(Nothing),
  studies: answers<ReadonlyArray<StudySummary>>()(Nothing),
  /** plans of this folder: of its runs, and files */
  plans: answers<ReadonlyArray<ComparablePlan>>()(Nothing),
  sizeStudy: answers<StudySize>()(StudyAsked),
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
  runs: answers<ReadonlyArray<RunSummary>>()(Nothing),
  run: answers<RunEvent>()(Run),
  study: answers<StudyEvent>()(Run),
  write: answers<WritingEvent>()(
    Schema.Struct({
      id: Text,
      /** a conversation so far; of a text that is continued or read, one message of the user */
      messages: Schema.Array(Schema.Struct({ role: Text, content: Text })),
      /** of a conversation: a JSON list of the tools that may be called, as typed; absent or empty: none */
      tools: Schema.optionalKey(Text),
      tokens: Schema.Int,
      temperature: Schema.Finite,
      seed: Schema.Int,
      sides: Schema.Array(Schema.Literals(["trained", "base"]))
    })
  ),
  export: changes<ExportEvent>()(
    Schema.Struct({ id: Text, format: Text, options: Schema.Record(Text, Schema.Array(Text)) })
  )
}

export type Calls = typeof calls
export type Watches = typeof watches
export type CallName = keyof Calls
export type WatchName = keyof Watches

type InputOf<V> = V extends Verb<infer In, infer _> ? In : never
type OutputOf<V> = V extends Verb<infer _, infer Out> ? Out : never

export type Input<Name extends CallName> = InputOf<Calls[Name]>
export type Output<Name extends CallName> = OutputOf<Calls[Name]>
export type WatchInput<Name extends WatchName> = InputOf<Watches[Name]>
export type WatchEvent<Name extends WatchName> = OutputOf<Watches[Name]>
