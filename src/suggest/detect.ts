/**
 * What a model and a file of rows are, where nothing but the two is named: which kind of run, by the model's files; and which
 * columns of the rows hold what, by the first of them. What a kind recognises, and its columns, it says itself.
 */

import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Dialect, PlanError, RunPlan } from "../../schemas/index.ts"
import { DataDialect, type DataError, dataError } from "../data/index.ts"
import { namesIn, parseBoundedJson, readTextFile } from "../files/index.ts"
import { placeOf } from "../models/index.ts"
import { planFromValue, ResolveError } from "../plan/index.ts"
import type { Choice } from "./choice.ts"
import { type Column, type Columns, columnNames, flagOf } from "./columns.ts"

export type Row = { readonly [column: string]: unknown }

export const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** How many rows of a file are read to see what they are. */
export const PROBED_ROWS = 50

/** Columns that a message lists at most. */
export const NAMED = 10

export const choice = (path: string, value: string, reason: string): Choice => ({ path, value, reason })

/** A model as it is named, before any weight is read. */
export interface NamedModel {
  readonly source: string
  /** `model_type` of its config.json; null where that says none, undefined where there is no such file */
  readonly modelType: string | null | undefined
}

export interface DetectedRows {
  readonly format: string
  /** of `data`, and of `model` what rows and model make of it: its task */
  readonly choices: ReadonlyArray<Choice>
  /** the columns that go into the plan as they were named; absent: all of them */
  readonly columns?: Columns
}

type World = FileSystem.FileSystem | Path.Path

/** What a kind of run recognises. */
export interface Detecting {
  /** the columns that each of its formats reads */
  readonly columns: { readonly [format: string]: ReadonlyArray<Column> }
  /** whether its models are such; where no kind takes a model, the first one says what is wrong with it */
  readonly takes: (model: NamedModel) => boolean
  /**
   * What rows of a file are. Kinds are asked from the last of their table to the first: a special one says null to rows that are not
   * clearly its own, and a general one before it takes them.
   */
  readonly rows: (
    source: string,
    file: string,
    columns: Columns
  ) => Effect.Effect<DetectedRows | null, DataError | ResolveError, World>
}

/** One way to read a place of rows: a file, a folder, an archive. */
export interface Reading {
  /** how it is read, as fields of a plan's data section; {}: as every plan reads it */
  readonly dialect: Dialect
  /** the first PROBED_ROWS */
  readonly rows: ReadonlyArray<Row>
  /** what its user should know, a sentence each: "Read as Windows-1252: line 3 has “Café”." */
  readonly notes: ReadonlyArray<string>
}

/** One thing that a model could learn from rows. */
export interface Learnable {
  /** `data.format` of its plans */
  readonly format: string
  /** as the end of "What should the model learn?": "a number: `price`" */
  readonly sentence: string
  /** one of the rows as a person reads it: "“Great pasta, slow service” → food, service" */
  readonly example: string
  /** 0..1, one scale for all kinds */
  readonly certainty: number
  /** the columns that it reads, as the flags that name them: with `format`, they choose it */
  readonly columns: Columns
  /** how the rows are read, as `Reading` has it */
  readonly dialect: Dialect
  /** what goes into the plan, with the reason for each value */
  readonly choices: ReadonlyArray<Choice>
  /** a model that trains it; or which one is needed, in a sentence that says how to name it */
  readonly model: { readonly source: string } | { readonly needs: string }
}

/** What the rows of a place could teach a model. */
export interface Detection {
  readonly readings: ReadonlyArray<Reading>
  /** best first */
  readonly learnables: ReadonlyArray<Learnable>
  /** whether the first is so much surer than the second that it is taken without a question */
  readonly clear: boolean
  /** of the reading, the language of its texts: a sentence each */
  readonly notes: ReadonlyArray<string>
}

/** What is looked at, and what a user has said of it. */
export interface Looked {
  /** as a plan's source, or a folder that holds such a file; absent: the first of `models` that suits */
  readonly model?: string | undefined
  /** sources of the models that come with the program */
  readonly models?: ReadonlyArray<string>
  /** a file of rows, or a folder */
  readonly data: string
  /** those that were named */
  readonly columns: Columns
  readonly dialect: Dialect
  /** of a learnable that was chosen */
  readonly format?: string | undefined
}

interface Kind {
  readonly detecting: Detecting
}

type Kinds = ReadonlyArray<Effect.Effect<Kind>>

/** How much surer the first learnable is than the second, and how sure at least, where it is taken. */
export const CLEAR = { by: 0.15, from: 0.6 } as const

/** Looks at the first rows, and at which models there are. */
export const detect = (kinds: Kinds, looked: Looked): Effect.Effect<Detection, DataError | ResolveError, World> =>
  Effect.gen(function* () {
    const { data: place, columns, dialect, models = [] } = looked
    const model = looked.model ?? models[0] ?? ""
    const named = yield* namedModel(model)
    const { format, choices, own, columns: kept = columns } = yield* detectedRows(kinds, named, place, columns)
    const misnamed = unused(columns, format, own)
    if (misnamed !== undefined) return yield* dataError(place, misnamed)
    const chosen = choices.find(({ path }) => path === "data.format")
    const learnable: Learnable = {
      format,
      sentence: chosen?.reason ?? format,
      example: "",
      certainty: 1,
      columns: kept,
      dialect,
      choices: [...named.found, ...choices],
      model: { source: named.source }
    }
    return { readings: [], learnables: [learnable], clear: true, notes: [] }
  }).pipe(Effect.provideService(DataDialect, looked.dialect))

const detectedRows = (kinds: Kinds, model: NamedModel, rows: string, columns: Columns) =>
  Effect.gen(function* () {
    const ask = (detecting: Detecting) =>
      Effect.map(detecting.rows(model.source, rows, columns), (found) =>
        found === null ? null : { ...found, own: detecting.columns[found.format]! }
      )
    for (const kind of kinds.toReversed()) {
      const { detecting } = yield* kind
      const found = detecting.takes(model) ? yield* ask(detecting) : null
      if (found !== null) return found
    }
    return (yield* ask((yield* kinds[0]!).detecting))! // the first is the most general: it takes whatever comes
  })

/** A column that was named and is none of the format's. */
const unused = (columns: Columns, format: string, own: ReadonlyArray<Column>): string | undefined => {
  const others = columnNames.filter((name) => columns[name] !== undefined && !own.includes(name))
  if (others.length === 0) return undefined
  const list = (names: ReadonlyArray<Column>) => names.map((name) => `--${flagOf(name)}`).join(" and ")
  return `found ${list(others)} for this model and these rows, which make data.format "${format}"; expected ${list(own)}, or nothing`
}

interface Found extends NamedModel {
  readonly found: ReadonlyArray<Choice>
}

/** A model by its source. What is missing or broken on this machine is reported when the model is opened. */
export const namedModel = (model: string): Effect.Effect<Found, ResolveError, World> =>
  Effect.gen(function* () {
    const named: Found = { source: model, modelType: undefined, found: [] }
    if (/\.json$|\.gguf(@[^/]*)?$/i.test(model)) return named
    const path = yield* Path.Path
    const place = yield* placeOf(model).pipe(
      Effect.mapError(({ message }) => new ResolveError({ name: "model", problems: [message] }))
    )
    const files = yield* namesIn(place)
    if (!files.includes("config.json")) {
      const [only, ...more] = files.filter((file) => file === "model.json" || /\.gguf$/i.test(file))
      if (only === undefined || more.length > 0) return named
      const source = path.join(model, only)
      const reason = "the folder has no config.json of a Hugging Face model, and one model beside it"
      return { ...named, source, found: [{ path: "model.source", value: source, reason }] }
    }
    const config = yield* readTextFile(path.join(place, "config.json")).pipe(
      Effect.map(parseBoundedJson),
      Effect.orElseSucceed(() => undefined)
    )
    const type = config !== undefined && "value" in config ? (config.value as Row | null)?.["model_type"] : undefined
    return { ...named, modelType: typeof type === "string" ? type : null }
  })

/** As a user names them, relative to the working directory. */
export interface NamedSources extends Looked {
  readonly validation?: string
  readonly test?: string
}

/** A plan of which `model` and `data` alone are meant, and why they are so. */
export type NamedPlan = RunPlan & { readonly found: ReadonlyArray<Choice> }

/** The sections of its plans that it decides, but for the files. */
export const sectionsOf = ({ format, columns, dialect, choices, model }: Learnable) => {
  const chosen = (section: "model" | "data") =>
    Object.fromEntries(
      choices.flatMap(({ path, value }) =>
        path.startsWith(`${section}.`) ? [[path.slice(section.length + 1), value]] : []
      )
    )
  return { model: { ...model, ...chosen("model") }, data: { format, ...dialect, ...columns, ...chosen("data") } }
}

/** A plan that learns it. `directory`: the working directory. */
export const planOfLearnable = (
  learnable: Learnable,
  { data: train, validation, test }: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, PlanError | ResolveError, World> =>
  Effect.gen(function* () {
    if ("needs" in learnable.model)
      return yield* new ResolveError({ name: train, problems: [`${train}: ${learnable.model.needs}`] })
    const { model, data } = sectionsOf(learnable)
    const splits = { ...(validation === undefined ? {} : { validation }), ...(test === undefined ? {} : { test }) }
    const plan = yield* planFromValue(
      {
        model,
        data: { ...data, train, ...splits },
        // replaced by what is suggested
        optimizer: { kind: "adamw", learningRate: 1e-3 },
        training: { steps: 1 }
      },
      directory
    )
    return { ...plan, found: learnable.choices }
  })

/** Looks at the model and the first rows. `directory`: the working directory. */
export const namedPlan = (
  kinds: Kinds,
  sources: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError, World> =>
  Effect.flatMap(detect(kinds, sources), ({ learnables: [first] }) => planOfLearnable(first!, sources, directory))
