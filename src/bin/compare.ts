/** `compare PLAN`: compares methods on one plan, as a study that can be stopped at any time and resumed. */
import { availableParallelism } from "node:os"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as References from "effect/References"
import * as Result from "effect/Result"
import { shownArgument } from "../boundary/index.ts"
import {
  type Asked,
  bestRates,
  checkStudy,
  coordinate,
  finishedResults,
  type LiveTable,
  liveTable,
  markdownOf,
  measureOf,
  openStudyFolder,
  ownProgram,
  parseStorage,
  questionOf,
  queueLayer,
  readStudyFolder,
  type Storage,
  type StudyFolder,
  serveDatabase,
  serveStudy,
  shownStorage,
  storageError,
  storageLayer,
  type Verdict,
  verdictJson,
  writeVerdict,
  writtenStorage
} from "../compare/index.ts"
import { inputsOf } from "../output/index.ts"
import { command } from "../output/invocation.ts"
import { processesProblem, readPlan } from "../plan/index.ts"
import { Work } from "../progress/index.ts"
import type { compareFlags, Given } from "./flags.ts"
import { print, printJson, screen, tell, userError } from "./output.ts"
import { terminalListener } from "./terminal.ts"

/** Passes the storage to workers in the environment: it may contain a password, and other users can read command lines. */
const STORAGE = "TFJS_LORA_PRO_STORAGE"

type CompareGiven = Given<ReturnType<typeof compareFlags>>

export const compare = (flags: CompareGiven) =>
  Effect.gen(function* () {
    // warnings of the queue and the engine (a database that is unavailable for a second, with a stack) are printed with --log-level
    const level = yield* References.MinimumLogLevel
    const act = Effect.gen(function* () {
      yield* flags.worker ? work(flags) : study(flags)
    })
    yield* Effect.provideService(act, References.MinimumLogLevel, level === "Info" ? "Error" : level)
  }).pipe(Effect.provideService(References.LogToStderr, true))

const noPlan = userError(
  "compare needs a plan, such as examples/plans/movies-lora-pro-full.json; to resume a study, pass its folder with --out; to run trials for a study on another machine, pass --worker and its --storage"
)

/** Opens a study, runs its missing trials, and prints the result. */
const study = (flags: CompareGiven) =>
  Effect.gen(function* () {
    const storage = yield* storageOf(flags)
    const question = yield* Option.isSome(flags.plan)
      ? questionOfPlan(flags, flags.plan.value, storage)
      : going(flags, storage)
    const few = processesProblem(question.plan, flags.trialRanks)
    if (few !== undefined) return yield* userError(`${question.name}: ${few}`)
    const live = liveTable(yield* measureOf(question.plan), screen)
    const { warnings, base, data } = yield* checkStudy(question, question.name)
    const files = yield* inputsOf({ plan: question.plan, base, data })
    yield* Effect.forEach(warnings, (warning) => live.tell(`warning: ${warning}`))
    // before creating a folder: an unreachable database should not leave one
    if (storage !== undefined) yield* Layer.build(storageLayer(storage))
    const open = yield* openStudyFolder(question, files, Option.getOrUndefined(flags.out))
    const finished = yield* finishedResults(open.folder)
    const results = finished ?? (yield* runStudy(flags, open, storage, live))
    if (finished !== undefined) yield* live.tell(`the study in ${open.folder} is already finished; nothing to run`)
    const verdict = yield* writeVerdict(open.portable, results, open.folder)
    yield* flags.json
      ? printJson({ folder: open.folder, ...verdictJson(verdict) })
      : print(textOf(open.folder, verdict))
  }).pipe(Effect.scoped, Effect.provideService(Work, terminalListener(screen)))

/** Returns the study that the flags define for a plan. */
const questionOfPlan = (flags: CompareGiven, plan: string, storage: Storage | undefined) =>
  Effect.gen(function* () {
    const file = yield* readPlan(plan, flags.set)
    return yield* questionOf(file, askedOf(flags, storage === undefined ? "sqlite" : shownStorage(storage)))
  })

/** Returns the study in `--out`, which resumes with its own plan, methods, learning rates and seeds. */
const going = (flags: CompareGiven, storage: Storage | undefined) =>
  Effect.gen(function* () {
    if (Option.isNone(flags.out)) return yield* noPlan
    const { id: _, inputs: __, ...question } = (yield* readStudyFolder(flags.out.value)).study
    if (storage === undefined && question.storage !== "sqlite")
      return yield* userError(
        `${flags.out.value} keeps its progress in ${question.storage}; pass that database with --storage`
      )
    return question
  })

const runStudy = (flags: CompareGiven, open: StudyFolder, given_: Storage | undefined, live: LiveTable) =>
  Effect.gen(function* () {
    const storage = yield* storageIn(open.folder, given_)
    const resumeHint = `all results so far are kept; resume with: ${again()}`
    return yield* coordinate(open, {
      workers: flags.workers,
      threads: threadsEach(flags),
      ranks: flags.trialRanks,
      program: ownProgram(),
      env: { [STORAGE]: writtenStorage(storage) },
      pick: bestRates,
      live
    }).pipe(
      Effect.provide(queueLayer.pipe(Layer.provideMerge(storageLayer(storage)))),
      Effect.catchTag("SqlError", (error) => Effect.fail(storageError(storage, error))),
      Effect.onError(() => live.tell(resumeHint))
    )
  })

/** Divides the cores between concurrent trials. */
const threadsEach = ({ threads, workers, trialRanks }: CompareGiven): number | undefined =>
  Option.getOrElse(threads, () =>
    workers < 2 ? undefined : Math.max(1, Math.floor(availableParallelism() / (workers * trialRanks)))
  )

/** Runs trials: of the study in `--out`, or of any open one in `--storage`. */
const work = (flags: CompareGiven) =>
  Effect.gen(function* () {
    const storage = yield* storageOf(flags)
    const folder = Option.getOrUndefined(flags.out)
    const workerOptions = {
      program: ownProgram(),
      threads: Option.getOrUndefined(flags.threads),
      ranks: flags.trialRanks
    }
    if (folder === undefined && storage === undefined) return yield* noStorage
    const open = folder === undefined ? undefined : yield* readStudyFolder(folder)
    const at = yield* storageIn(folder ?? ".", storage)
    const serving = Effect.gen(function* () {
      yield* open === undefined ? serveDatabase(workerOptions, tell) : serveStudy({ ...workerOptions, ...open })
    })
    yield* serving.pipe(
      Effect.provide(queueLayer.pipe(Layer.provideMerge(storageLayer(at)))),
      Effect.catchTag("SqlError", (error) => Effect.fail(storageError(at, error)))
    )
  }).pipe(Effect.scoped)

const noStorage = userError(
  "a worker needs a study: pass --storage postgres://USER:PASSWORD@HOST/DATABASE (or sqlite://FILE), or the study's folder with --out"
)

/** Returns the storage from `--storage`, or from the environment of a process started by a coordinator. */
const storageOf = ({ storage }: CompareGiven) =>
  Effect.gen(function* () {
    const address = Option.getOrElse(storage, () => process.env[STORAGE])
    if (address === undefined) return undefined
    const parsed = parseStorage(address)
    return Result.isFailure(parsed) ? yield* parsed.failure : parsed.success
  })

/** Returns the given storage, or SQLite in the study's folder. */
const storageIn = (folder: string, chosen: Storage | undefined) =>
  Effect.map(Path.Path, (path): Storage => chosen ?? { kind: "sqlite", file: path.join(folder, "study.sqlite") })

const askedOf = (flags: CompareGiven, storage: string): Asked => ({
  methods: Option.getOrUndefined(flags.methods),
  learningRates: flags.learningRates,
  ranks: Option.getOrUndefined(flags.ranks),
  seeds: flags.seeds,
  freshSeeds: flags.freshSeeds,
  commonRate: Option.getOrUndefined(flags.commonRate),
  halving: flags.halving,
  widen: flags.widen,
  device: flags.device,
  storage
})

/** Returns the command for a shell; `***` marks what the user must enter again. */
const again = (): string => {
  const args = process.argv.slice(2).map(shownArgument)
  const quoted = args.map((arg) => (/^[\w./,:=@+-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`))
  return command(quoted.join(" "))
}

const textOf = (folder: string, verdict: Verdict): string =>
  `${markdownOf(verdict).trimEnd()}\n\nThe results are in ${folder}/: compare.html, compare.md, compare.json, and a run folder for each trial.`
