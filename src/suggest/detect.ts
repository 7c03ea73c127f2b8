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

/** Sections of a plan as they are written, and why they are so. */
interface Detected {
  readonly model: { readonly source: string }
  readonly data: { readonly format: string; readonly [key: string]: unknown }
  readonly found: ReadonlyArray<Choice>
}

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

interface Kind {
  readonly detecting: Detecting
}

/** `model`: as a plan's source, or a folder that holds such a file; `rows`: the training file. Both as the user named them. */
export const detect = (
  kinds: ReadonlyArray<Effect.Effect<Kind>>,
  model: string,
  rows: string,
  columns: Columns
): Effect.Effect<Detected, DataError | ResolveError, World> =>
  Effect.gen(function* () {
    const { found, ...named } = yield* namedModel(model)
    const { format, choices, own, columns: kept = columns } = yield* detectedRows(kinds, named, rows, columns)
    const misnamed = unused(columns, format, own)
    if (misnamed !== undefined) return yield* dataError(rows, misnamed)
    const chosen = (section: "model" | "data") =>
      Object.fromEntries(
        choices.flatMap(({ path, value }) =>
          path.startsWith(`${section}.`) ? [[path.slice(section.length + 1), value]] : []
        )
      )
    return {
      model: { source: named.source, ...chosen("model") },
      data: { format, ...kept, ...chosen("data") },
      found: [...found, ...choices]
    }
  })

const detectedRows = (kinds: ReadonlyArray<Effect.Effect<Kind>>, model: NamedModel, rows: string, columns: Columns) =>
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
export interface NamedSources {
  /** a folder, a file, or hf:owner/name */
  readonly model: string
  /** the training rows */
  readonly data: string
  readonly validation?: string
  readonly test?: string
  /** what of them is not found by looking */
  readonly columns: Columns
  readonly dialect: Dialect
}

/** A plan of which `model` and `data` alone are meant, and why they are so. */
export type NamedPlan = RunPlan & { readonly found: ReadonlyArray<Choice> }

/** Looks at the model and the first rows. `directory`: the working directory. */
export const namedPlan = (
  kinds: ReadonlyArray<Effect.Effect<{ readonly detecting: Detecting }>>,
  { model, data, columns, dialect, ...splits }: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const detected = yield* detect(kinds, model, data, columns).pipe(Effect.provideService(DataDialect, dialect))
    const { format, ...own } = detected.data
    const plan = yield* planFromValue(
      {
        model: detected.model,
        data: { format, train: data, ...splits, ...dialect, ...own },
        // replaced by what is suggested
        optimizer: { kind: "adamw", learningRate: 1e-3 },
        training: { steps: 1 }
      },
      directory
    )
    return { ...plan, found: detected.found }
  })
