/**
 * Studies over the studio's verbs: `compare PLAN --out compare/NAME-N` as a process of its own, its folder as it grows, and the verdict at its
 * end. Studies of the command line are seen, stopped and gone on with alike.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { countTrials, measureOf, questionOf, readStudyFolder, resultsSoFar, verdictTexts } from "../../compare/index.ts"
import { type Files, isThere, namesIn, ownerOf } from "../../files/index.ts"
import type { Sources } from "../../hub/hub.ts"
import { relocate } from "../../plan/index.ts"
import type { Handlers } from "../engine/index.ts"
import type { Input, PlanJson, StudyEvent, StudySummary } from "../protocol/index.ts"
import { foldersWith, freeFolder, growingFile, looks, RunRefused, runReader, seenFiles } from "../runs/index.ts"
import { nameOfRun, writePlan } from "../runs/plan-files.ts"
import { comparablePlans, readComparable, secondsOf } from "./comparable-plans.ts"
import { listedMethods } from "./compared-methods.ts"
import {
  failureSaid,
  INTERRUPTED,
  lockedBy,
  type OwnCommand,
  startDetached,
  startedElsewhere,
  startedProcess
} from "./processes.ts"
import { openStudyRecords, type StudyRecord } from "./records.ts"
import { endRemovals, openRemover } from "./removal.ts"
import { trialTable } from "./trial-table.ts"

const FOLDER = "compare"
/** of a log, at first */
const LOG_BYTES = 256 * 1024
/** Trials at a time of a study that the command line started: it does not say how many it had. */
const WORKERS = 1
/** What one machine can do in its lifetime. */
const MOST = { seeds: 100, workers: 64 }

type Asked = Omit<Input<"startStudy">, "workers">

const inBounds = ({ id, seeds, freshSeeds, workers = 1 }: Partial<Input<"startStudy">> & { readonly id: string }) => {
  const wrong = (name: string, value: number, least: number, most: number) =>
    value >= least && value <= most ? [] : [`${name}: found ${value}; expected an integer from ${least} to ${most}`]
  const problems = [
    ...wrong("seeds", seeds ?? 1, 1, MOST.seeds),
    ...wrong("fresh seeds", freshSeeds ?? 1, 1, MOST.seeds),
    ...wrong("workers", workers, 1, MOST.workers)
  ]
  return problems.length === 0 ? Effect.void : Effect.fail(new RunRefused({ id, reason: problems.join("; ") }))
}

/** What is asked, as `compare` decides it; nothing is started and no model looked at. */
const questionFor = ({ plan, methods, learningRates, seeds, freshSeeds }: Asked) =>
  Effect.gen(function* () {
    yield* inBounds({ id: plan, seeds, freshSeeds })
    if (!(yield* comparablePlans).some(({ id }) => id === plan))
      return yield* new RunRefused({ id: plan, reason: "is not a plan in this folder" })
    if (methods.length === 0) return yield* new RunRefused({ id: plan, reason: "needs at least one method to compare" })
    const file = yield* readComparable(plan)
    const question = yield* questionOf(file, {
      methods,
      learningRates,
      seeds,
      freshSeeds,
      halving: false,
      widen: false,
      device: "auto",
      storage: "sqlite"
    })
    return { file, question }
  })

/** `flags`: those of the device. `state`: the studio's state folder */
export const openStudies = (command: OwnCommand, flags: ReadonlyArray<string>, state: string) =>
  Effect.gen(function* () {
    const records = yield* openStudyRecords(state)
    yield* endRemovals([`${FOLDER}/`], records.remove)
    // a study that begins is not removed meanwhile
    const deciding = Semaphore.makeUnsafe(1)
    const remover = openRemover(deciding)
    const reader = runReader()
    const context = yield* Effect.context<Files>()
    const run = Effect.runPromiseWith(context)

    const open = (id: string) => readStudyFolder(id).pipe(Effect.option, Effect.map(Option.getOrUndefined))
    // study.json is written once; results.json whenever a trial ends
    const studyAt = seenFiles((file) =>
      Effect.gen(function* () {
        const folder = file.slice(0, -"/study.json".length)
        const opened = yield* open(folder)
        if (opened === undefined) return undefined
        const { sweep, final, common } = countTrials(opened.study)
        const fs = yield* FileSystem.FileSystem
        const { mtime } = yield* fs.stat(file).pipe(Effect.orElseSucceed(() => ({ mtime: Option.none<Date>() })))
        const writtenAt = Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
        return {
          study: opened.study,
          measure: yield* measureOf(opened.study.plan),
          trials: sweep + final + common,
          writtenAt
        }
      })
    )
    const resultsAt = seenFiles((file) => resultsSoFar(file.slice(0, -"/results.json".length)))
    const resultsOf = (id: string) =>
      Effect.map(resultsAt(`${id}/results.json`), (saved) => saved ?? { finished: false, results: [] })

    const ids: Effect.Effect<ReadonlyArray<string>, never, Files> = Effect.gen(function* () {
      const folders = yield* foldersWith(FOLDER, "study.json")
      const started = records.all().flatMap(({ id }) => (remover.isGoing(id) ? [] : [id]))
      return [...new Set([...folders, ...started])]
    })
    const checkStudy = (id: string) =>
      Effect.gen(function* () {
        if (!(yield* ids).includes(id)) return yield* new RunRefused({ id, reason: "is not a study in this folder" })
      })

    /** The process that a study's trials are given out by. */
    const processOf = (id: string) =>
      Effect.gen(function* () {
        return (yield* startedProcess(records.get(id))) ?? (yield* lockedBy(id))
      })

    const failureOf = (id: string) =>
      Effect.gen(function* () {
        const record = records.get(id)
        if (record === undefined || record.stopping) return null
        const { exit, owner } = record
        if (owner === undefined) return exit === undefined ? null : "its process could not be started"
        if (exit?.code === 0 || exit?.code === INTERRUPTED) return null
        const why = exit?.signal == null ? [] : [`its process was terminated by ${exit.signal}`]
        const message = yield* failureSaid(records.logOf(id))
        return exit === undefined ? null : [...why, message ?? "The log may say why."].join("\n")
      })

    const summaryOf = (id: string): Effect.Effect<StudySummary, never, Sources> =>
      Effect.gen(function* () {
        const record = records.get(id)
        const study = yield* studyAt(`${id}/study.json`)
        const { finished, results } = yield* resultsOf(id)
        const isRunning = (yield* processOf(id)) !== undefined
        const failed = isRunning || finished ? null : yield* failureOf(id)
        return {
          id,
          name: id.slice(FOLDER.length + 1),
          state: isRunning ? "running" : finished ? "finished" : failed !== null ? "failed" : "stopped",
          done: results.length,
          trials: study?.trials ?? 0,
          startedAt: record?.startedAt ?? study?.writtenAt ?? 0,
          note: failed ?? (isRunning && record?.stopping === true ? "stops after saving the current steps" : null)
        }
      })

    const list: Effect.Effect<ReadonlyArray<StudySummary>, never, Sources> = Effect.gen(function* () {
      const read = yield* Effect.forEach(yield* ids, summaryOf, { concurrency: 8 })
      // of one that was removed meanwhile half may have been read
      const remaining = yield* ids
      const all = read.filter(({ id }) => remaining.includes(id))
      return all.toSorted((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? -1 : 1))
    })

    const launch = (record: StudyRecord, words: ReadonlyArray<string>, goesOn: boolean) =>
      Effect.gen(function* () {
        const { id } = record
        const { owner: _, exit: __, ...fresh } = record
        const pid = yield* startDetached(command, ["compare", ...words], {
          log: records.logOf(id),
          goesOn,
          ended: (exit) => {
            void run(Effect.ignore(records.change(id, { exit })))
          }
        })
        const owner = pid === undefined ? {} : { owner: yield* ownerOf(pid) }
        yield* records.save({ ...fresh, ...owner, stopping: false })
      })

    const mayGo = (id: string) =>
      Effect.gen(function* () {
        if ((yield* processOf(id)) !== undefined)
          return yield* new RunRefused({ id, reason: "is still running; stop it first, then remove it" })
        // a worker of another machine, or one that has not heard of the end yet
        const trials = yield* namesIn(`${id}/runs`)
        for (const name of trials) {
          if ((yield* lockedBy(`${id}/runs/${name}`)) === undefined) continue
          return yield* new RunRefused({
            id,
            reason: `is still running: a process writes its run ${name}; remove it when that has finished`
          })
        }
      })

    /** What changed since the last look. */
    const follow = (id: string): Stream.Stream<StudyEvent, RunRefused, Sources> => {
      const log = growingFile(records.logOf(id), LOG_BYTES)
      const sent = new Map<StudyEvent["kind"], string>()
      const fresh = (event: StudyEvent): ReadonlyArray<StudyEvent> => {
        const text = JSON.stringify(event)
        if (sent.get(event.kind) === text) return []
        sent.set(event.kind, text)
        return [event]
      }
      const look = Effect.gen(function* () {
        const summary = yield* summaryOf(id)
        if (!(yield* ids).includes(id)) return yield* new RunRefused({ id, reason: "was removed" })
        const news: Array<StudyEvent> = [...fresh({ kind: "summary", summary })]
        const { lines } = yield* log.more
        if (lines.length > 0) news.push({ kind: "log", lines })
        const study = yield* studyAt(`${id}/study.json`)
        if (study === undefined) return news
        const { results, finished } = yield* resultsOf(id)
        const isRunning = summary.state === "running"
        news.push(...fresh({ kind: "trials", table: yield* trialTable(id, results, study.measure, reader, isRunning) }))
        if (finished && !sent.has("verdict")) {
          const { sentences, intervals, ...table } = yield* verdictTexts(study.study, results)
          news.push(...fresh({ kind: "verdict", sentences, intervals, table, page: "compare.html" }))
        }
        return news
      })
      return Stream.flatMap(looks(look), Stream.fromIterable)
    }

    const handlers: Partial<Handlers<Sources>> = {
      calls: {
        methods: () => Effect.sync(listedMethods),
        studies: () => list,
        plans: () => comparablePlans,
        sizeStudy: (request) =>
          Effect.gen(function* () {
            const { question } = yield* questionFor(request)
            const { sweep, final, common } = countTrials(question)
            const each = yield* secondsOf(request.plan)
            const all = sweep + final + common
            return { sweep, final: final + common, seconds: each === null ? null : Math.round(each * all) }
          }),
        startStudy: (request) =>
          Effect.gen(function* () {
            const { workers, methods, learningRates, seeds, freshSeeds } = request
            yield* inBounds({ id: request.plan, workers })
            const { file } = yield* questionFor(request)
            const {
              output: { directory: _, ...output },
              ...plan
            } = yield* relocate(file.plan, ".")
            const planFile = yield* writePlan(nameOfRun(file.name), { ...plan, output } as unknown as PlanJson)
            const id = yield* freeFolder(
              `${FOLDER}/${nameOfRun(file.name)}`,
              (folder) => records.get(folder) !== undefined
            )
            const words = [
              planFile,
              "--out",
              id,
              "--methods",
              methods.join(","),
              "--seeds",
              `${seeds}`,
              "--fresh-seeds",
              `${freshSeeds}`,
              ...(learningRates === undefined ? [] : ["--learning-rates", learningRates.join(",")]),
              "--workers",
              `${workers}`,
              ...flags
            ]
            yield* launch({ id, words, workers, startedAt: Date.now(), stopping: false }, words, false)
            return { id }
          }).pipe(deciding.withPermits(1)),
        stopStudy: ({ id }) =>
          Effect.gen(function* () {
            yield* checkStudy(id)
            const record = records.get(id)
            const owner = yield* startedProcess(record)
            if (record === undefined || owner === undefined) return yield* startedElsewhere(id)
            // a second signal means: leave at once, unsaved
            if (record.stopping) return null
            yield* Effect.try({
              try: () => process.kill(owner.pid, "SIGINT"),
              catch: () =>
                new RunRefused({ id, reason: `belongs to process ${owner.pid}, which could not be signalled to stop` })
            })
            yield* records.change(id, { stopping: true })
            return null
          }),
        resumeStudy: ({ id }) =>
          Effect.gen(function* () {
            yield* checkStudy(id)
            if ((yield* processOf(id)) !== undefined) return yield* new RunRefused({ id, reason: "is already running" })
            const before = records.get(id)
            const opened = yield* isThere(`${id}/study.json`)
            if (!opened && before === undefined) return yield* new RunRefused({ id, reason: "is not a study folder" })
            const workers = before?.workers ?? WORKERS
            // its own study.json says all that decides it; what never got that far starts over
            const words = opened ? ["--out", id, "--workers", `${workers}`, ...flags] : before!.words
            const record: StudyRecord = before ?? { id, words, workers, startedAt: Date.now(), stopping: false }
            yield* launch(record, words, true)
            return null
          }).pipe(deciding.withPermits(1)),
        removeStudy: ({ id }) =>
          Effect.gen(function* () {
            yield* checkStudy(id)
            yield* remover.remove({ id, sign: "study.json", mayGo: mayGo(id), forget: records.remove(id) })
            return null
          })
      },
      watches: {
        study: ({ id }) => Stream.unwrap(Effect.as(checkStudy(id), follow(id)))
      }
    }
    return handlers
  })
