/**
 * "What should the model learn?": detects the tasks that rows could train, best first, and builds the plan for one of them. Every kind of run
 * recognises its own tasks, with a certainty; all kinds are tried on every reading of the rows.
 */

import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Dialect, PlanError, RunPlan } from "../../schemas/index.ts"
import { shellWord } from "../boundary/index.ts"
import {
  DataDialect,
  type DataError,
  dataError,
  firstRows,
  headerProblem,
  isTableName,
  missingColumn,
  type Reading,
  readings
} from "../data/index.ts"
import { namesIn, parseBoundedJson, readTextFile } from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import { placeOf } from "../models/index.ts"
import { planFromValue, ResolveError } from "../plan/index.ts"
import type { Choice } from "./choice.ts"
import { type Column, type Columns, columnNames, flagOf } from "./columns.ts"

export type Row = { readonly [column: string]: unknown }

export const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Maximum number of columns in a message. */
export const NAMED = 10

export const choice = (path: string, value: string, reason: string): Choice => ({ path, value, reason })

/**
 * Scale of certainties: the share of files for which an observation of this type is correct. Every kind takes its certainty from this scale,
 * and multiplies those of conditions that must all hold. test/src/suggest/certainty.test.ts compares it with files.
 */
export const sure = {
  /** named by the user */
  named: 1,
  /** an unambiguous name, and values that fit */
  clearly: 0.95,
  /** a common name, and values that fit */
  usual: 0.9,
  /** values that fit, in no other column */
  only: 0.75,
  /** values that have another meaning about as often */
  likely: 0.6,
  /** one of several columns, or a column whose name suggests another use */
  possible: 0.4,
  /** any rows would do */
  anything: 0.15
} as const

/** Minimum certainty of the best task, and minimum lead over the second, to choose it without a question. */
export const CLEAR = { from: 0.5, by: 0.1 } as const

/** A task that a model could learn from rows. */
export interface Learnable {
  /** `data.format` of plans for the task */
  readonly format: string
  /** end of "What should the model learn?", such as "a number: `price`" */
  readonly sentence: string
  /** one of the rows in readable form: "“Great pasta, slow service” → food, service" */
  readonly example: string
  /** 0..1, on the scale of `sure` */
  readonly certainty: number
  /** columns that the task reads, by the flags that name them; with `format`, they select the task */
  readonly columns: Columns
  /** dialect of the rows, as in `Reading` */
  readonly dialect: Dialect
  /** values for the plan, each with its reason */
  readonly choices: ReadonlyArray<Choice>
  /** a model that can be trained on the task; or, as a sentence, which model is needed and how to name it */
  readonly model: { readonly source: string } | { readonly needs: string }
}

/** A task as a kind of run detects it. */
export type Found = Omit<Learnable, "model" | "dialect">

/** Tasks that rows could train. */
export interface Detection {
  /** readings of the rows, most likely first */
  readonly readings: ReadonlyArray<Reading>
  /** tasks, best first; at least one */
  readonly learnables: ReadonlyArray<Learnable>
  /** whether the first task is chosen without a question */
  readonly clear: boolean
  /** notes on how the rows are read and on their language: sentences without full stops */
  readonly notes: ReadonlyArray<string>
}

/** A model's source and type, before any weight is read. */
export interface NamedModel {
  readonly source: string
  /** `model_type` of config.json; null if the file has none, undefined if there is no such file */
  readonly modelType: string | null | undefined
}

/** Properties of a model's files that change what rows mean to it. */
export interface ModelFacts {
  /** whether it has a chat template */
  readonly chats?: boolean
  /** whether it rescales pixel bytes itself */
  readonly rescales?: boolean
  /** plan values that follow from the model */
  readonly choices?: ReadonlyArray<Choice>
}

/** Detection of the tasks of one kind of run. */
export interface Detecting {
  /** columns that each of its formats reads */
  readonly columns: { readonly [format: string]: ReadonlyArray<Column> }
  /** whether it supports a model; if no kind does, the first one reports the problem */
  readonly takes: (model: NamedModel) => boolean
  /** its models each read rows of a specific shape: no bundled model substitutes for another */
  readonly takesItsOwn?: true
  /** which model is needed if none is available, and how to name it */
  readonly needs: string
  /** hint on naming the columns of rows in which no task is detected */
  readonly hint: string
  /** Detects tasks in rows, most certain first; [] if the rows are not of this kind. `columns`: those that the user named. */
  readonly rows: (
    reading: Pick<Reading, "content" | "rows" | "train">,
    columns: Columns,
    model?: ModelFacts
  ) => ReadonlyArray<Found>
  /** Reads properties of a run's model. */
  readonly look?: (source: string) => Effect.Effect<ModelFacts, never, Sources>
  /** Reads a model's headers, so that its problems are reported together with those of the rows. */
  readonly opens?: (source: string) => Effect.Effect<unknown, { readonly message: string }, Sources>
}

/** Input of a detection, and what the user specified. */
export interface Looked {
  /** source as in a plan, or a folder that contains such a file; default: the first suitable one of `models` */
  readonly model?: string | undefined
  /** sources of the bundled models */
  readonly models?: ReadonlyArray<string>
  /** a file of rows, or a folder */
  readonly data: string
  /** columns that the user named */
  readonly columns: Columns
  readonly dialect: Dialect
  /** format of the chosen task */
  readonly format?: string | undefined
}

interface Kind {
  readonly detecting: Detecting
}

type Kinds = ReadonlyArray<Effect.Effect<Kind>>

/** A kind with the model that it would train; undefined: none is available. */
interface Suited extends Kind {
  readonly model: FoundModel | undefined
  readonly facts: ModelFacts
}

/** Detects tasks from the first rows and the available models. Fails if it finds no task. */
export const detect = (kinds: Kinds, request: Looked): Effect.Effect<Detection, DataError | ResolveError, Sources> =>
  Effect.gen(function* () {
    const { data: source, columns } = request
    const all = yield* suitedKinds(kinds, request)
    const read = yield* readings(source, request.dialect).pipe(Effect.catch((error) => withModelProblem(all, error)))
    const candidates = read.map((reading) => ({ reading, learnables: learnablesOf(all, reading, request) }))
    const [first] = candidates
    const best = candidates.reduce(
      (best, candidate) => (surest(candidate.learnables) > surest(best.learnables) ? candidate : best),
      first!
    )
    const { reading, learnables } = best
    // a user who names a column knows that the first line is a header
    if (isTableName(reading.train) && Object.keys(columns).length === 0) {
      const problem = headerProblem(reading.rows)
      if (problem !== undefined) return yield* dataError(reading.train, problem)
    }
    // with several separators, all may be wrong: report that first
    if (learnables.length === 0 && read.length > 1)
      yield* firstRows(source, 1).pipe(Effect.provideService(DataDialect, request.dialect))
    if (learnables.length === 0) return yield* dataError(source, yield* nothingIn(all, kinds, reading, request))
    const [surestLearnable, secondLearnable] = learnables
    const absent = absentColumn(reading, columns)
    if (absent !== undefined) return yield* dataError(source, absent)
    const isClear =
      secondLearnable === undefined ||
      (surestLearnable!.certainty >= CLEAR.from && surestLearnable!.certainty - secondLearnable.certainty >= CLEAR.by)
    return { readings: read, learnables, clear: isClear, notes: reading.notes }
  })

const surest = ([first]: ReadonlyArray<Learnable>): number => first?.certainty ?? 0

/** Returns the kinds that support the named model; without one, all kinds, each with a suitable bundled model, if there is one. */
const suitedKinds = (kinds: Kinds, { data: source, model, models = [], format }: Looked) =>
  Effect.gen(function* () {
    const all = (yield* Effect.all(kinds)).filter(
      ({ detecting }) => format === undefined || Object.hasOwn(detecting.columns, format)
    )
    const formats = (yield* Effect.all(kinds)).flatMap(({ detecting }) => Object.keys(detecting.columns))
    if (all.length === 0)
      return yield* dataError(source, `found the format "${format}"; expected one of ${formats.join(", ")}`)
    const named = yield* Effect.forEach(model === undefined ? models : [model], namedModel)
    const suited = all.map((kind) => {
      const { takes, takesItsOwn } = kind.detecting
      return {
        ...kind,
        model: named.find((candidate) => takes(candidate) && (model !== undefined || takesItsOwn === undefined))
      }
    })
    const taking = suited.filter((kind) => kind.model !== undefined)
    // if no kind supports the model, the first one reports the problem
    const candidates = model === undefined ? suited : taking.length > 0 ? taking : [{ ...suited[0]!, model: named[0] }]
    return yield* Effect.forEach(candidates, (kind) =>
      Effect.gen(function* () {
        const { look } = kind.detecting
        const facts = kind.model === undefined || look === undefined ? {} : yield* look(kind.model.source)
        return { ...kind, facts } satisfies Suited as Suited
      })
    )
  })

/** Joins the problem of the rows with that of the model, so that both are reported at once. */
const withModelProblem = (kinds: ReadonlyArray<Suited>, error: DataError) =>
  Effect.gen(function* () {
    const [kind] = kinds
    const opens = kind?.detecting.opens
    if (kind?.model === undefined || opens === undefined) return yield* error
    const model = yield* Effect.result(opens(kind.model.source))
    if (Result.isSuccess(model)) return yield* error
    return yield* new ResolveError({ name: error.where, problems: [model.failure.message, error.message] })
  })

/** Returns the tasks of all kinds in a reading, best first, without those less than half as likely; of duplicates, the one with an available model. */
const learnablesOf = (
  kinds: ReadonlyArray<Suited>,
  reading: Reading,
  { data: source, columns, dialect, format }: Looked
): ReadonlyArray<Learnable> => {
  const named = columnNames.filter((name) => columns[name] !== undefined)
  const fromReading = readAs(reading, source).filter(({ path }) => !Object.hasOwn(dialect, path.slice("data.".length)))
  const learnables = kinds.flatMap(({ detecting, model, facts }) =>
    detecting.rows(reading, columns, facts).flatMap((candidate): ReadonlyArray<Learnable> => {
      if (format !== undefined && candidate.format !== format) return []
      if (named.some((name) => !detecting.columns[candidate.format]!.includes(name))) return []
      const choices = [...(model?.detected ?? []), ...fromReading, ...(facts.choices ?? []), ...candidate.choices]
      return [
        {
          ...candidate,
          choices,
          dialect: reading.dialect,
          model: model === undefined ? { needs: detecting.needs } : { source: model.source }
        }
      ]
    })
  )
  const ranked = learnables
    .toSorted((a, b) => rank(b) - rank(a))
    .filter((learnable, _, [best]) => 2 * learnable.certainty >= best!.certainty)
  return ranked.filter((learnable, i) => ranked.findIndex((earlier) => earlier.sentence === learnable.sentence) === i)
}

/** Prefers, of two equally likely tasks, the one that can be trained at once. */
const rank = ({ certainty, model }: Learnable): number => certainty + ("source" in model ? 0.01 : 0)

/** Returns the plan values for how the files are read, and where they are in a folder. */
const readAs = ({ dialect, notes, train, validation, test }: Reading, source: string): ReadonlyArray<Choice> => {
  const reason = notes[0]?.replace(/\.$/, "") ?? "inferred from the first rows"
  const dialectChoices = Object.entries(dialect).flatMap(([field, value]) =>
    value === undefined ? [] : [choice(`data.${field}`, value, reason)]
  )
  const splits = Object.entries({ train: train === source ? undefined : train, validation, test }).flatMap(
    ([split, file]) => (file === undefined ? [] : [choice(`data.${split}`, file, `found in ${source}`)])
  )
  return [...dialectChoices, ...splits]
}

/** Returns a named column that does not exist; does not check patterns of columns or the words around them. */
const absentColumn = ({ content, rows }: Reading, columns: Columns): string | undefined => {
  if (content !== "rows") return undefined
  const there = [...new Set(rows.flatMap(Object.keys))]
  const absent = Object.values(columns)
    .flatMap((names) =>
      /[{*]/.test(names) || there.includes(names) ? [] : names.split(",").map((name) => name.trim())
    )
    .find((name) => !there.includes(name))
  return absent === undefined ? undefined : missingColumn(absent, there)
}

/** Explains why no task was detected, and how to fix it. */
const nothingIn = (kinds: ReadonlyArray<Suited>, all: Kinds, reading: Reading, request: Looked) =>
  Effect.gen(function* () {
    const { model, columns } = request
    const [first] = kinds
    if (first?.model !== undefined && !first.detecting.takes(first.model) && first.detecting.opens !== undefined) {
      const opened = yield* Effect.result(first.detecting.opens(first.model.source))
      if (Result.isFailure(opened))
        return yield* new ResolveError({ name: request.data, problems: [opened.failure.message] })
    }
    const list = (names: ReadonlyArray<Column>) => names.map((name) => `--${flagOf(name)}`).join(" and ")
    const named = columnNames.filter((name) => columns[name] !== undefined)
    const [unnamed] = learnablesOf(kinds, reading, { ...request, columns: {} })
    if (named.length > 0 && unnamed !== undefined) {
      const possible = kinds.flatMap(({ detecting }) => detecting.columns[unnamed.format] ?? [])
      const impossible = named.filter((name) => !possible.includes(name))
      if (impossible.length > 0)
        return `found ${list(impossible)} for this model and these rows, whose data.format is "${unnamed.format}"; expected ${list([...new Set(possible)])} or no column flag`
    }
    const absent = absentColumn(reading, columns)
    if (absent !== undefined) return absent
    if (model !== undefined) {
      const everywhere = yield* suitedKinds(all, { ...request, model: undefined, models: [] })
      const [learnable] = learnablesOf(everywhere, reading, request)
      if (learnable !== undefined && learnable.certainty >= CLEAR.from && "needs" in learnable.model)
        return `the rows teach ${learnable.sentence}, which the model ${model} cannot learn; ${learnable.model.needs}`
    }
    const there = [...new Set(reading.rows.flatMap(Object.keys))].slice(0, NAMED).join(", ")
    const hints =
      model === undefined ? [first!.detecting.hint] : [...new Set(kinds.map(({ detecting }) => detecting.hint))]
    return `cannot infer what to learn from its rows (columns: ${there}); ${hints.join(", or ")}`
  })

interface FoundModel extends NamedModel {
  readonly detected: ReadonlyArray<Choice>
}

/** Reads a model by its source. Missing or invalid files are reported when the model is opened. */
export const namedModel = (model: string): Effect.Effect<FoundModel, ResolveError, Sources> =>
  Effect.gen(function* () {
    const named: FoundModel = { source: model, modelType: undefined, detected: [] }
    if (/\.json$|\.gguf(@[^/]*)?$/i.test(model)) return named
    const path = yield* Path.Path
    const folder = yield* placeOf(model).pipe(
      Effect.mapError(({ message }) => new ResolveError({ name: "model", problems: [message] }))
    )
    const files = yield* namesIn(folder)
    if (!files.includes("config.json")) {
      const [only, ...more] = files.filter((file) => file === "model.json" || /\.gguf$/i.test(file))
      if (only === undefined || more.length > 0) return named
      const source = path.join(model, only)
      const reason = "the folder has no config.json, and this is its only model file"
      return { ...named, source, detected: [{ path: "model.source", value: source, reason }] }
    }
    const config = yield* readTextFile(path.join(folder, "config.json")).pipe(
      Effect.map(parseBoundedJson),
      Effect.orElseSucceed(() => undefined)
    )
    const type = config !== undefined && "value" in config ? (config.value as Row | null)?.["model_type"] : undefined
    return { ...named, modelType: typeof type === "string" ? type : null }
  })

/** Sources as the user names them, relative to the working directory. */
export interface NamedSources extends Looked {
  readonly validation?: string
  readonly test?: string
}

/** A plan of which only `model` and `data` are used, and the reasons for their values. */
export type NamedPlan = RunPlan & { readonly detected: ReadonlyArray<Choice> }

/** Returns the plan sections that a task determines, without the files. */
export const sectionsOf = ({ format, columns, dialect, choices, model }: Learnable) => {
  const chosen = (section: "model" | "data") =>
    Object.fromEntries(
      choices.flatMap(({ path, value }) =>
        path.startsWith(`${section}.`) ? [[path.slice(section.length + 1), value]] : []
      )
    )
  return { model: { ...model, ...chosen("model") }, data: { format, ...dialect, ...columns, ...chosen("data") } }
}

/** Returns a plan for a task. `directory`: the working directory. */
export const planOfLearnable = (
  learnable: Learnable,
  { data: train, validation, test }: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError, Sources> =>
  Effect.gen(function* () {
    if ("needs" in learnable.model)
      return yield* dataError(train, `the rows teach ${learnable.sentence}; ${learnable.model.needs}`)
    const { model, data } = sectionsOf(learnable)
    const splits = { ...(validation === undefined ? {} : { validation }), ...(test === undefined ? {} : { test }) }
    const plan = yield* planFromValue(
      {
        model,
        data: { train, ...data, ...splits },
        // replaced by the suggestion
        optimizer: { kind: "adamw", learningRate: 1e-3 },
        training: { steps: 1 }
      },
      directory
    )
    return { ...plan, detected: learnable.choices }
  })

/** The rows could train several tasks; the user has to choose one. */
export class UndecidedError extends Schema.TaggedError<UndecidedError>()("UndecidedError", {
  /** the question with its answers, each with the flags that select it */
  message: Schema.String
}) {}

/** Returns the flags that select a task: "--format regression --target price". */
export const flagsOf = ({ format, columns }: Pick<Learnable, "format" | "columns">): string =>
  [
    `--format ${format}`,
    ...columnNames.flatMap((name) =>
      columns[name] === undefined ? [] : [`--${flagOf(name)} ${shellWord(columns[name])}`]
    )
  ].join(" ")

const MOST_ANSWERS = 8

/** Returns the question as a list, for non-interactive use. */
export const undecided = (source: string, { learnables }: Detection): UndecidedError => {
  const answers = learnables
    .slice(0, MOST_ANSWERS)
    .map((learnable) => `  ${learnable.sentence}\n      ${learnable.example}\n      ${flagsOf(learnable)}`)
  return new UndecidedError({
    message: `${source}: what should the model learn? Choose with the flags:\n${answers.join("\n")}`
  })
}

/** Detects the task from the model and the first rows, if it is clear. Fails with an UndecidedError otherwise. `directory`: the working directory. */
export const namedPlan = (
  kinds: Kinds,
  sources: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError | UndecidedError, Sources> =>
  Effect.gen(function* () {
    const detection = yield* detect(kinds, sources)
    if (!detection.clear) return yield* undecided(sources.data, detection)
    return yield* planOfLearnable(detection.learnables[0]!, sources, directory)
  })
