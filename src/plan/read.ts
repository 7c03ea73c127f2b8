/**
 * From a plan file to a RunPlan that means the same from anywhere.
 *
 *   file ─read→ text ─JSON→ value ─settings→ value ─decode→ RunPlan ─resolve inputs→ RunPlan with absolute input paths
 *
 * Input paths (model.source, data.train, data.validation, data.test, adapter.from) are relative to the plan file; `output.directory` to the working
 * directory. `relocate` is the inverse: the copy in a run folder names its inputs relative to that folder.
 *
 * A setting replaces a single value, as in `--set adapter.rank=4`. Its path is dotted, with list entries by index
 * (`adapter.targets.0`); its value is JSON if it parses as JSON, else text. What the plan says in another way goes: `training.epochs=2`
 * takes the place of `training.steps`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  alternatives,
  closest,
  decodeForeignPlan,
  PlanError,
  type PlanProblem,
  type RunPlan,
  showValue
} from "../../schemas/index.ts"
import { limit, overLimit } from "../boundary/index.ts"
import { isRecord, isUrl, parseBoundedJson, readTextFile } from "../files/index.ts"
import { JsonSyntaxError, parseJson } from "./json.ts"

/**
 * A plan file that cannot be read as JSON. `file` is as the user named it; `position` (from 1) where there is one — not `line` and
 * `column`, which JavaScriptCore sets on every Error, to places in this source.
 */
export class PlanFileError extends Schema.TaggedError<PlanFileError>()("PlanFileError", {
  file: Schema.String,
  reason: Schema.String,
  position: Schema.optionalKey(Schema.Struct({ line: Schema.Int, column: Schema.Int }))
}) {
  override get message(): string {
    const { file, position, reason } = this
    return position === undefined ? `${file}: ${reason}` : `${file}:${position.line}:${position.column}: ${reason}`
  }
}

/** A plan from a file: input paths absolute; `name` is the file's name without `.json`. */
export interface PlanFile {
  readonly plan: RunPlan
  readonly file: string // absolute
  readonly name: string
}

/** The adapter that a plan begins with: `adapter.from`. */
export const fromOf = ({ adapter }: Pick<RunPlan, "adapter">): string | undefined =>
  "from" in adapter ? adapter.from : undefined

/** The plan with each input path replaced. */
const mapInputs = <Plan extends RunPlan>(plan: Plan, change: (path: string) => string): Plan => {
  const { test, train, validation } = plan.data
  const { source } = plan.model
  // what is fetched is not relative to the plan; what is a URL is refused as it is written
  const place = (source: string) => (/^hf:/.test(source) || isUrl(source) ? source : change(source))
  const from = fromOf(plan)
  return {
    ...plan,
    model: { ...plan.model, source: place(source) },
    ...(from === undefined ? {} : { adapter: { ...plan.adapter, from: place(from) } }),
    data: {
      ...plan.data, // first: the order of the keys stays as written
      train: change(train),
      ...(typeof validation === "string" ? { validation: change(validation) } : {}),
      ...(test === undefined ? {} : { test: change(test) })
    }
  }
}

const notFound = Effect.fn("notFound")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.dirname(file)
  const names = yield* fs.readDirectory(directory).pipe(Effect.orElseSucceed(() => []))
  const plans = names.filter((name) => name.endsWith(".json"))
  const near = closest(path.basename(file), plans)
  const hint = near === undefined ? "" : `; did you mean ${path.join(directory, near)}?`
  return yield* new PlanFileError({ file, reason: `no such file; expected a plan in JSON${hint}` })
})

const readText = (file: string) =>
  readTextFile(file, "plan-bytes").pipe(
    Effect.catchTag("TextFileError", ({ missing, reason }) =>
      missing ? notFound(file) : Effect.fail(new PlanFileError({ file, reason: `${reason}; expected a plan in JSON` }))
    )
  )

const parse = (file: string, text: string): Effect.Effect<unknown, PlanFileError> =>
  Effect.try({
    try: () => parseJson(text),
    catch: (error) => {
      if (!(error instanceof JsonSyntaxError)) throw error
      return new PlanFileError({ file, reason: `not JSON: ${error.message}`, position: error.position })
    }
  })

/** Data on another machine. A URL is not repeated: it may hold a password. */
const urlProblems = ({ data: { train, validation, test } }: RunPlan): ReadonlyArray<PlanProblem> =>
  Object.entries({ train, validation, test }).flatMap(([name, input]) =>
    typeof input === "string" && isUrl(input)
      ? [{ path: `data.${name}`, message: "found a URL; expected a path: download it first" }]
      : []
  )

/** The plan, decoded, with what its `adapter.from` says. */
const beginning = (value: unknown, baseDirectory: string): Effect.Effect<RunPlan, PlanError, Files> =>
  Effect.gen(function* () {
    const adapter = isRecord(value) ? value["adapter"] : undefined
    if (!isRecord(value) || !isRecord(adapter) || typeof adapter["from"] !== "string") {
      return yield* decodeForeignPlan(value)
    }
    const { withSource } = yield* Effect.promise(() => import("./adapter-from.ts"))
    const { section, problems } = yield* withSource(adapter, baseDirectory)
    const decoded = yield* Effect.result(decodeForeignPlan({ ...value, adapter: section }))
    const others = Result.isFailure(decoded) ? decoded.failure.problems : []
    if (problems.length > 0) return yield* new PlanError({ problems: [...problems, ...others] })
    return yield* Effect.fromResult(decoded)
  })

/** How a plan is read. */
export interface PlanOptions {
  /** a run's own plan: what its `adapter.from` decides is written in it, and the adapter need not be there any more */
  readonly ofRun?: boolean
}

type Files = FileSystem.FileSystem | Path.Path

/**
 * Decode a plan given as a value; relative input paths are relative to `baseDirectory`. What `adapter.from` decides is read from there and
 * written into the plan.
 */
export const planFromValue = (
  value: unknown,
  baseDirectory: string,
  { ofRun = false }: PlanOptions = {}
): Effect.Effect<RunPlan, PlanError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const plan = yield* ofRun ? decodeForeignPlan(value) : beginning(value, baseDirectory)
    const problems = urlProblems(plan)
    if (problems.length > 0) return yield* new PlanError({ problems })
    return mapInputs(plan, (input) => path.resolve(baseDirectory, input))
  })

/**
 * Read a plan file; `settings` ("adapter.rank=4") are applied before it is decoded, as if the file had them.
 * Fails with PlanFileError (no such file, not JSON: line and column) or PlanError (every problem of the plan).
 */
export const readPlan = (
  file: string,
  settings: ReadonlyArray<string> = [],
  options: PlanOptions = {}
): Effect.Effect<PlanFile, PlanError | PlanFileError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const value = yield* parse(file, yield* readText(file))
    const absolute = path.resolve(file)
    const plan = yield* applySettings(value, settings).pipe(
      Effect.flatMap((set) => planFromValue(set, path.dirname(absolute), options)),
      Effect.mapError(({ problems }) => new PlanError({ problems, file }))
    )
    return { plan, file: absolute, name: path.basename(absolute, ".json") }
  })

/** The plan with its (absolute) input paths written relative to `directory`, with forward slashes: what a copy there has to say. */
export const relocate = <Plan extends RunPlan>(plan: Plan, directory: string): Effect.Effect<Plan, never, Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const from = path.resolve(directory)
    return mapInputs(plan, (input) => path.relative(from, input).replaceAll(path.sep, "/") || ".")
  })

interface Setting {
  readonly written: string
  readonly path: ReadonlyArray<string>
  readonly value: unknown
}

/** A setting that cannot be applied: the reason, as a sentence part. */
class Inapplicable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const parseValue = (text: string): unknown => {
  const parsed = parseBoundedJson(text)
  return "value" in parsed ? parsed.value : text
}

const parseSetting = (written: string): Setting => {
  const equals = written.indexOf("=")
  if (equals < 0) throw new Inapplicable("has no value; expected path=value, such as adapter.rank=4")
  const path = written.slice(0, equals).trim().split(".")
  if (path.includes(""))
    throw new Inapplicable("has an empty name in its path; expected path=value, such as adapter.rank=4")
  if (path.length > limit("json-depth")) throw new Inapplicable(`has a path of more than ${overLimit("json-depth")}`)
  return { written, path, value: parseValue(written.slice(equals + 1)) }
}

const isIndex = (segment: string): boolean => /^(?:0|[1-9]\d*)$/.test(segment)

const placeInList = (
  list: ReadonlyArray<unknown>,
  segment: string,
  where: string,
  place: (old: unknown) => unknown
) => {
  const index = Number(segment)
  if (!isIndex(segment) || index > list.length) {
    throw new Inapplicable(`${where} is a list of ${list.length}; expected an index from 0 to ${list.length}`)
  }
  return [...list.slice(0, index), place(list[index]), ...list.slice(index + 1)]
}

/** `tree` with `value` at `path`; what is missing on its path is made, as an object or (before an index) a list. */
const withValue = (tree: unknown, { path, value }: Setting, depth = 0): unknown => {
  const segment = path[depth]
  if (segment === undefined) return value
  const where = depth === 0 ? "the plan" : path.slice(0, depth).join(".")
  const place = (old: unknown) => withValue(old, { written: "", path, value }, depth + 1)
  const container = tree === undefined ? (isIndex(segment) ? [] : {}) : tree
  if (Array.isArray(container)) return placeInList(container, segment, where, place)
  if (typeof container !== "object" || container === null) {
    throw new Inapplicable(`${where} is ${showValue(container)}, which has no parts; set ${where} as a whole`)
  }
  const old = Object.hasOwn(container, segment) ? (container as Record<string, unknown>)[segment] : undefined
  return { ...container, [segment]: place(old) }
}

/** `tree` without what is at `path`. */
const without = (tree: unknown, [segment, ...rest]: ReadonlyArray<string>): unknown => {
  if (segment === undefined || !isRecord(tree) || !Object.hasOwn(tree, segment)) return tree
  const { [segment]: old, ...others } = tree
  return rest.length === 0 ? others : { ...tree, [segment]: without(old, rest) }
}

/** The plan's own fields that settings say in another way. */
const replaced = (settings: ReadonlyArray<string>): ReadonlyArray<string> => {
  const set = settings.map((written) => written.split("=", 1)[0]!.trim())
  const both = [...alternatives, ...alternatives.map(([one, other]) => [other, one] as const)]
  return both.flatMap(([one, other]) => (set.includes(one) && !set.includes(other) ? [other] : []))
}

/**
 * Apply settings to a plan as written, in order; `training.epochs=2` takes the place of the plan's `training.steps` (`alternatives`).
 * Fails with every setting that cannot be applied.
 */
export const applySettings = (raw: unknown, settings: ReadonlyArray<string>): Effect.Effect<unknown, PlanError> =>
  Effect.suspend(() => {
    const problems: Array<PlanProblem> = []
    let tree = replaced(settings).reduce((plan, path) => without(plan, path.split(".")), raw)
    for (const written of settings) {
      try {
        tree = withValue(tree, parseSetting(written))
      } catch (error) {
        if (!(error instanceof Inapplicable)) throw error
        problems.push({ path: `--set ${written}`, message: error.reason })
      }
    }
    return problems.length > 0 ? Effect.fail(new PlanError({ problems })) : Effect.succeed(tree)
  })
