/**
 * "What should the model learn?": what rows could teach a model, best first, and the plan that learns one of it. What a kind recognises in
 * rows, and how sure it is of that, it says itself; all of them are asked, over every reading of the rows.
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

/** Columns that a message lists at most. */
export const NAMED = 10

export const choice = (path: string, value: string, reason: string): Choice => ({ path, value, reason })

/**
 * How sure one is of something that is seen in rows: the share of files in which it is so. Every kind takes its certainty from this scale,
 * and multiplies what has to be true together; test/src/suggest/certainty.test.ts holds it against files.
 */
export const sure = {
  /** a user said so */
  named: 1,
  /** a name that means nothing else, and values that fit */
  clearly: 0.95,
  /** a usual name, and values that fit */
  usual: 0.9,
  /** values that fit, in no other column */
  only: 0.75,
  /** values that mean something else about as often */
  likely: 0.6,
  /** one of several, or of a name that speaks against it */
  possible: 0.4,
  /** rows of any kind would do */
  anything: 0.15
} as const

/** How sure the first thing is at least, and how much surer than the second, where it is taken without a question. */
export const CLEAR = { from: 0.5, by: 0.1 } as const

/** One thing that a model could learn from rows. */
export interface Learnable {
  /** `data.format` of its plans */
  readonly format: string
  /** as the end of "What should the model learn?": "a number: `price`" */
  readonly sentence: string
  /** one of the rows as a person reads it: "“Great pasta, slow service” → food, service" */
  readonly example: string
  /** 0..1, by the scale of `sure` */
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

/** A learnable as its kind recognises it. */
export type Found = Omit<Learnable, "model" | "dialect">

/** What the rows of a place could teach a model. */
export interface Detection {
  /** the likeliest first */
  readonly readings: ReadonlyArray<Reading>
  /** best first, at least one */
  readonly learnables: ReadonlyArray<Learnable>
  /** whether the first is taken without a question */
  readonly clear: boolean
  /** of how the rows are read, and of their language: a sentence each, without a full stop */
  readonly notes: ReadonlyArray<string>
}

/** A model as it is named, before any weight is read. */
export interface NamedModel {
  readonly source: string
  /** `model_type` of its config.json; null where that says none, undefined where there is no such file */
  readonly modelType: string | null | undefined
}

/** What kinds look up in a model's files, where rows mean something else to one model than to another. */
export interface ModelFacts {
  /** it has a chat template */
  readonly chats?: boolean
  /** it scales bytes itself */
  readonly rescales?: boolean
  /** values of the plan that follow from it */
  readonly choices?: ReadonlyArray<Choice>
}

type World = Sources

/** What a kind of run recognises. */
export interface Detecting {
  /** the columns that each of its formats reads */
  readonly columns: { readonly [format: string]: ReadonlyArray<Column> }
  /** whether its models are such; where no kind takes a model, the first one says what is wrong with it */
  readonly takes: (model: NamedModel) => boolean
  /** each of its models reads rows of its own shape: none that comes with the program is taken for others */
  readonly takesItsOwn?: true
  /** which model is needed where none does, and how it is named */
  readonly needs: string
  /** how a user names the columns of rows in which nothing is recognised */
  readonly hint: string
  /** What it could learn of rows, the surest first; [] where they are not its own. `columns`: those that a user named. */
  readonly rows: (
    reading: Pick<Reading, "content" | "rows" | "train">,
    columns: Columns,
    model?: ModelFacts
  ) => ReadonlyArray<Found>
  /** What it looks up in the model of a run. */
  readonly look?: (source: string) => Effect.Effect<ModelFacts, never, World>
  /** Reads a model's headers: what is wrong with it is reported with what is wrong with the rows. */
  readonly opens?: (source: string) => Effect.Effect<unknown, { readonly message: string }, World>
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

/** A kind with the model that it would train; undefined: none is there. */
interface Suited extends Kind {
  readonly model: FoundModel | undefined
  readonly facts: ModelFacts
}

/** Looks at the first rows, and at which models there are. */
export const detect = (kinds: Kinds, looked: Looked): Effect.Effect<Detection, DataError | ResolveError, World> =>
  Effect.gen(function* () {
    const { data: place, columns } = looked
    const all = yield* suitedKinds(kinds, looked)
    const read = yield* readings(place, looked.dialect).pipe(Effect.catch((error) => withModelProblem(all, error)))
    const found = read.map((reading) => ({ reading, learnables: learnablesOf(all, reading, looked) }))
    const [first] = found
    const best = found.reduce((one, other) => (surest(other.learnables) > surest(one.learnables) ? other : one), first!)
    const { reading, learnables } = best
    // of several separators none may be right: that is said first
    if (learnables.length === 0 && read.length > 1)
      yield* firstRows(place, 1).pipe(Effect.provideService(DataDialect, looked.dialect))
    if (learnables.length === 0) return yield* dataError(place, yield* nothingIn(all, kinds, reading, looked))
    const [one, other] = learnables
    const absent = absentColumn(reading, columns)
    if (absent !== undefined) return yield* dataError(place, absent)
    const isClear =
      other === undefined || (one!.certainty >= CLEAR.from && one!.certainty - other.certainty >= CLEAR.by)
    return { readings: read, learnables, clear: isClear, notes: reading.notes }
  })

const surest = ([first]: ReadonlyArray<Learnable>): number => first?.certainty ?? 0

/** The kinds that take the model that was named; of none, all of them, each with a model that comes with the program, if one suits. */
const suitedKinds = (kinds: Kinds, { data: place, model, models = [], format }: Looked) =>
  Effect.gen(function* () {
    const all = (yield* Effect.all(kinds)).filter(
      ({ detecting }) => format === undefined || Object.hasOwn(detecting.columns, format)
    )
    const formats = (yield* Effect.all(kinds)).flatMap(({ detecting }) => Object.keys(detecting.columns))
    if (all.length === 0)
      return yield* dataError(place, `found the format "${format}"; expected one of ${formats.join(", ")}`)
    const named = yield* Effect.forEach(model === undefined ? models : [model], namedModel)
    const suited = all.map((kind) => {
      const { takes, takesItsOwn } = kind.detecting
      return { ...kind, model: named.find((one) => takes(one) && (model !== undefined || takesItsOwn === undefined)) }
    })
    const taking = suited.filter((kind) => kind.model !== undefined)
    // where no kind takes a model, the first says what is wrong with it
    const own = model === undefined ? suited : taking.length > 0 ? taking : [{ ...suited[0]!, model: named[0] }]
    return yield* Effect.forEach(own, (kind) =>
      Effect.gen(function* () {
        const { look } = kind.detecting
        const facts = kind.model === undefined || look === undefined ? {} : yield* look(kind.model.source)
        return { ...kind, facts } satisfies Suited as Suited
      })
    )
  })

/** What is wrong with rows, and what is wrong with the model as well, so that both are reported at once. */
const withModelProblem = (kinds: ReadonlyArray<Suited>, error: DataError) =>
  Effect.gen(function* () {
    const [kind] = kinds
    const opens = kind?.detecting.opens
    if (kind?.model === undefined || opens === undefined) return yield* error
    const model = yield* Effect.result(opens(kind.model.source))
    if (Result.isSuccess(model)) return yield* error
    return yield* new ResolveError({ name: error.where, problems: [model.failure.message, error.message] })
  })

/** What all kinds find in a reading, best first, without what is half as likely; of two that say the same, the one that a model is there for. */
const learnablesOf = (
  kinds: ReadonlyArray<Suited>,
  reading: Reading,
  { data: place, columns, dialect, format }: Looked
): ReadonlyArray<Learnable> => {
  const named = columnNames.filter((name) => columns[name] !== undefined)
  const written = readAs(reading, place).filter(({ path }) => !Object.hasOwn(dialect, path.slice("data.".length)))
  const found = kinds.flatMap(({ detecting, model, facts }) =>
    detecting.rows(reading, columns, facts).flatMap((own): ReadonlyArray<Learnable> => {
      if (format !== undefined && own.format !== format) return []
      if (named.some((name) => !detecting.columns[own.format]!.includes(name))) return []
      const choices = [...(model?.found ?? []), ...written, ...(facts.choices ?? []), ...own.choices]
      return [
        {
          ...own,
          choices,
          dialect: reading.dialect,
          model: model === undefined ? { needs: detecting.needs } : { source: model.source }
        }
      ]
    })
  )
  const ranked = found
    .toSorted((a, b) => rank(b) - rank(a))
    .filter((one, _, [best]) => 2 * one.certainty >= best!.certainty)
  return ranked.filter((one, i) => ranked.findIndex((other) => other.sentence === one.sentence) === i)
}

/** Of two that are as likely, one that can be trained at once comes first. */
const rank = ({ certainty, model }: Learnable): number => certainty + ("source" in model ? 0.01 : 0)

/** What a plan says of how its files are read, and of where they are in a folder. */
const readAs = ({ dialect, notes, train, validation, test }: Reading, place: string): ReadonlyArray<Choice> => {
  const reason = notes[0]?.replace(/\.$/, "") ?? "what its first rows show"
  const written = Object.entries(dialect).flatMap(([field, value]) =>
    value === undefined ? [] : [choice(`data.${field}`, value, reason)]
  )
  const splits = Object.entries({ train: train === place ? undefined : train, validation, test }).flatMap(
    ([split, own]) => (own === undefined ? [] : [choice(`data.${split}`, own, `found in ${place}`)])
  )
  return [...written, ...splits]
}

/** A column that was named and is not there; patterns of columns and words around them are left to the plan. */
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

/** Why rows teach nothing, and the one thing to do. */
const nothingIn = (kinds: ReadonlyArray<Suited>, all: Kinds, reading: Reading, looked: Looked) =>
  Effect.gen(function* () {
    const { model, columns } = looked
    const [first] = kinds
    if (first?.model !== undefined && !first.detecting.takes(first.model) && first.detecting.opens !== undefined) {
      const opened = yield* Effect.result(first.detecting.opens(first.model.source))
      if (Result.isFailure(opened))
        return yield* new ResolveError({ name: looked.data, problems: [opened.failure.message] })
    }
    const list = (names: ReadonlyArray<Column>) => names.map((name) => `--${flagOf(name)}`).join(" and ")
    const named = columnNames.filter((name) => columns[name] !== undefined)
    const [unnamed] = learnablesOf(kinds, reading, { ...looked, columns: {} })
    if (named.length > 0 && unnamed !== undefined) {
      const own = kinds.flatMap(({ detecting }) => detecting.columns[unnamed.format] ?? [])
      const others = named.filter((name) => !own.includes(name))
      if (others.length > 0)
        return `found ${list(others)} for this model and these rows, which make data.format "${unnamed.format}"; expected ${list([...new Set(own)])}, or nothing`
    }
    const absent = absentColumn(reading, columns)
    if (absent !== undefined) return absent
    if (model !== undefined) {
      const everywhere = yield* suitedKinds(all, { ...looked, model: undefined, models: [] })
      const [other] = learnablesOf(everywhere, reading, looked)
      if (other !== undefined && other.certainty >= CLEAR.from && "needs" in other.model)
        return `the rows teach ${other.sentence}, which the model ${model} does not learn; ${other.model.needs}`
    }
    const there = [...new Set(reading.rows.flatMap(Object.keys))].slice(0, NAMED).join(", ")
    const hints =
      model === undefined ? [first!.detecting.hint] : [...new Set(kinds.map(({ detecting }) => detecting.hint))]
    return `what its rows teach was not recognised (columns: ${there}); ${hints.join(", or ")}`
  })

interface FoundModel extends NamedModel {
  readonly found: ReadonlyArray<Choice>
}

/** A model by its source. What is missing or broken on this machine is reported when the model is opened. */
export const namedModel = (model: string): Effect.Effect<FoundModel, ResolveError, World> =>
  Effect.gen(function* () {
    const named: FoundModel = { source: model, modelType: undefined, found: [] }
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
      const reason = "the folder has no config.json of a Hugging Face model, and one model next to it"
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
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError, World> =>
  Effect.gen(function* () {
    if ("needs" in learnable.model)
      return yield* dataError(train, `the rows teach ${learnable.sentence}; ${learnable.model.needs}`)
    const { model, data } = sectionsOf(learnable)
    const splits = { ...(validation === undefined ? {} : { validation }), ...(test === undefined ? {} : { test }) }
    const plan = yield* planFromValue(
      {
        model,
        data: { train, ...data, ...splits },
        // replaced by what is suggested
        optimizer: { kind: "adamw", learningRate: 1e-3 },
        training: { steps: 1 }
      },
      directory
    )
    return { ...plan, found: learnable.choices }
  })

/** Rows that could teach several things: which is meant, a user has to say. */
export class UndecidedError extends Schema.TaggedError<UndecidedError>()("UndecidedError", {
  /** the question with its answers, each with the flags that choose it */
  message: Schema.String
}) {}

/** "--format regression --target price" */
export const flagsOf = ({ format, columns }: Pick<Learnable, "format" | "columns">): string =>
  [
    `--format ${format}`,
    ...columnNames.flatMap((name) =>
      columns[name] === undefined ? [] : [`--${flagOf(name)} ${shellWord(columns[name])}`]
    )
  ].join(" ")

const MOST_ANSWERS = 8

/** The question as a list, for those who cannot be asked. */
export const undecided = (place: string, { learnables }: Detection): UndecidedError => {
  const answers = learnables
    .slice(0, MOST_ANSWERS)
    .map((one) => `  ${one.sentence}\n      ${one.example}\n      ${flagsOf(one)}`)
  return new UndecidedError({
    message: `${place}: what should the model learn? Choose with the flags:\n${answers.join("\n")}`
  })
}

/** Looks at the model and the first rows, and takes what they clearly teach. `directory`: the working directory. */
export const namedPlan = (
  kinds: Kinds,
  sources: NamedSources,
  directory: string
): Effect.Effect<NamedPlan, DataError | PlanError | ResolveError | UndecidedError, World> =>
  Effect.gen(function* () {
    const detection = yield* detect(kinds, sources)
    if (!detection.clear) return yield* undecided(sources.data, detection)
    return yield* planOfLearnable(detection.learnables[0]!, sources, directory)
  })
