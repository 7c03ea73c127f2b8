/**
 * Reads a plan file into a RunPlan that does not depend on the working directory.
 *
 *   file ─read→ text ─JSON→ value ─settings→ value ─decode→ RunPlan ─resolve inputs→ RunPlan with absolute input paths
 *
 * Input paths (model.source, data.train, data.validation, data.test, adapter.from) are relative to the plan file; `output.directory` to the working
 * directory. `relocate` is the inverse: the copy in a run folder names its inputs relative to that folder.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { closest, decodeForeignPlan, PlanError, type PlanProblem, type RunPlan } from "../../schemas/index.ts"
import { isRecord } from "../boundary/index.ts"
import { isUrl, readTextFile } from "../files/index.ts"
import { isHubSource, type Sources } from "../hub/hub.ts"
import { JsonSyntaxError, parseJson } from "./json.ts"

/**
 * A plan file that cannot be read as JSON. `file` is the name given by the user; the position is in `position` instead of `line` and
 * `column`, which JavaScriptCore sets on every Error to positions in this source.
 */
export class PlanFileError extends Schema.TaggedError<PlanFileError>()("PlanFileError", {
  /** file name as given by the user */
  file: Schema.String,
  /** the problem, as the end of a sentence */
  reason: Schema.String,
  /** position in the text; absent if the error has none */
  position: Schema.optionalKey(
    Schema.Struct({
      /** line, from 1 */
      line: Schema.Int,
      /** column, from 1 */
      column: Schema.Int
    })
  )
}) {
  override get message(): string {
    const { file, position, reason } = this
    return position === undefined ? `${file}: ${reason}` : `${file}:${position.line}:${position.column}: ${reason}`
  }
}

/** A plan read from a file. */
export interface PlanFile {
  /** decoded plan with absolute input paths */
  readonly plan: RunPlan
  /** absolute path of the file */
  readonly file: string
  /** the file's name without `.json` */
  readonly name: string
}

/** Returns the adapter that training starts from: `adapter.from`. */
export const fromOf = ({ adapter }: Pick<RunPlan, "adapter">): string | undefined =>
  "from" in adapter ? adapter.from : undefined

/**
 * Returns a function that changes local paths. Remote sources stay unchanged, since they are not relative to the plan; the plan's own check
 * rejects URLs.
 */
const placing =
  (change: (path: string) => string) =>
  (source: string): string =>
    isHubSource(source) || isUrl(source) ? source : change(source)

/** Returns the plan with each input path replaced. */
const mapInputs = <Plan extends RunPlan>(plan: Plan, change: (path: string) => string): Plan => {
  const { test, train, validation } = plan.data
  const { source } = plan.model
  const resolvePath = placing(change)
  const from = fromOf(plan)
  return {
    ...plan,
    model: { ...plan.model, source: resolvePath(source) },
    ...(from === undefined ? {} : { adapter: { ...plan.adapter, from: resolvePath(from) } }),
    data: {
      ...plan.data, // first: the order of the keys stays as written
      train: resolvePath(train),
      ...(typeof validation === "string" ? { validation: resolvePath(validation) } : {}),
      ...(test === undefined ? {} : { test: resolvePath(test) }),
      ...("chatTemplate" in plan.data && plan.data.chatTemplate !== undefined
        ? { chatTemplate: change(plan.data.chatTemplate) }
        : {}),
      // if rows name files
      ...("folder" in plan.data && typeof plan.data.folder === "string" ? { folder: change(plan.data.folder) } : {})
    }
  }
}

/** Replaces the input paths of a plan before it is decoded. Leaves values that are not paths unchanged. */
export const withInputs = (
  plan: Readonly<Record<string, unknown>>,
  change: (path: string) => string
): Readonly<Record<string, unknown>> => {
  const resolvePath = placing(change)
  const section = (name: string, keys: ReadonlyArray<string>, replaced: (path: string) => string) => {
    const value = plan[name]
    if (!isRecord(value)) return {}
    const paths = keys.flatMap((key) => {
      const path = value[key]
      return typeof path === "string" ? [[key, replaced(path)] as const] : []
    })
    return { [name]: { ...value, ...Object.fromEntries(paths) } }
  }
  return {
    ...plan,
    ...section("model", ["source"], resolvePath),
    ...section("adapter", ["from"], resolvePath),
    ...section("data", ["train", "validation", "test", "folder", "chatTemplate"], resolvePath)
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

/** Rejects data on another machine. Does not repeat the URL, which may contain a password. */
const urlProblems = ({ data: { train, validation, test } }: RunPlan): ReadonlyArray<PlanProblem> =>
  Object.entries({ train, validation, test }).flatMap(([name, input]) =>
    typeof input === "string" && isUrl(input)
      ? [{ path: `data.${name}`, message: "found a URL; expected a path: download it first" }]
      : []
  )

/** Returns the decoded plan, merged with its `adapter.from`. */
const beginning = (value: unknown, baseDirectory: string): Effect.Effect<RunPlan, PlanError, Sources> =>
  Effect.gen(function* () {
    const adapter = isRecord(value) ? value["adapter"] : undefined
    if (!isRecord(value) || !isRecord(adapter) || typeof adapter["from"] !== "string") {
      return yield* decodeForeignPlan(value)
    }
    const { withSource } = yield* Effect.promise(() => import("./adapter-from.ts"))
    const format = isRecord(value["data"]) ? value["data"]["format"] : undefined
    const { section, problems } = yield* withSource(adapter, baseDirectory, format)
    const decoded = yield* Effect.result(decodeForeignPlan({ ...value, adapter: section }))
    const sectionProblems = Result.isFailure(decoded) ? decoded.failure.problems : []
    if (problems.length > 0) return yield* new PlanError({ problems: [...problems, ...sectionProblems] })
    return yield* Effect.fromResult(decoded)
  })

/** Options for reading a plan. */
export interface PlanOptions {
  /** whether the plan is a run's own copy: it already contains the values of `adapter.from`, and the adapter may no longer exist */
  readonly ofRun?: boolean
}

/**
 * Decodes a plan given as a value. Relative input paths are relative to `baseDirectory`. Reads the adapter in `adapter.from` and writes the
 * values that it determines into the plan. Fails with PlanError (every problem of the plan).
 */
export const planFromValue = (
  value: unknown,
  baseDirectory: string,
  { ofRun = false }: PlanOptions = {}
): Effect.Effect<RunPlan, PlanError, Sources> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const plan = yield* ofRun ? decodeForeignPlan(value) : beginning(value, baseDirectory)
    const problems = urlProblems(plan)
    if (problems.length > 0) return yield* new PlanError({ problems })
    return mapInputs(plan, (input) => path.resolve(baseDirectory, input))
  })

/** Applies settings. The code is loaded only if there are any: a page has none. */
const withSettings = (value: unknown, settings: ReadonlyArray<string>): Effect.Effect<unknown, PlanError> =>
  settings.length === 0
    ? Effect.succeed(value)
    : Effect.flatMap(
        Effect.promise(() => import("./settings.ts")),
        (room) => room.applySettings(value, settings)
      )

/**
 * Reads a plan file. Applies `settings` ("adapter.rank=4") before it is decoded, as if the file contained them.
 * Fails with PlanFileError (no such file, not JSON: line and column) or PlanError (every problem of the plan).
 */
export const readPlan = (
  file: string,
  settings: ReadonlyArray<string> = [],
  options: PlanOptions = {}
): Effect.Effect<PlanFile, PlanError | PlanFileError, Sources> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const value = yield* parse(file, yield* readText(file))
    const absolute = path.resolve(file)
    const plan = yield* withSettings(value, settings).pipe(
      Effect.flatMap((set) => planFromValue(set, path.dirname(absolute), options)),
      Effect.mapError(({ problems }) => new PlanError({ problems, file }))
    )
    return { plan, file: absolute, name: path.basename(absolute, ".json") }
  })

/** Returns the plan with its (absolute) input paths relative to `directory`, with forward slashes, for a copy in that folder. */
export const relocate = <Plan extends RunPlan>(plan: Plan, directory: string): Effect.Effect<Plan, never, Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const from = path.resolve(directory)
    return mapInputs(plan, (input) => path.relative(from, input).replaceAll(path.sep, "/") || ".")
  })
