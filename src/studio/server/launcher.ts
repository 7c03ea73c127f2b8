/**
 * Runs as processes: `train PLAN --out runs/NAME-N`, each the leader of a session of its own with its words in a file, so that it continues
 * when the studio or its terminal is closed. One trains at a time: the others wait for it, unless they are asked to begin.
 */

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { listed } from "../../boundary/index.ts"
import { type FileError, type Files, isThere, namesIn, ownerOf, readTextFile } from "../../files/index.ts"
import { type Life, RunRefused, type RunWriter, runFolders, seenFiles } from "../runs/index.ts"
import {
  type Ended,
  INTERRUPTED,
  LAST_LINES,
  lockedBy,
  memoryLog,
  type OwnCommand,
  startDetached,
  startedElsewhere,
  startedProcess
} from "./processes.ts"
import { openRunRecords, type Records, type RunRecord } from "./records.ts"
import { type Busy, endRemovals, openRemover } from "./removal.ts"

export interface Launcher extends RunWriter {
  readonly records: Records<RunRecord>
  /** Gives the run that waited longest its turn, where nothing trains. */
  readonly turn: Effect.Effect<void, FileError, Files>
  /** Folders of runs and studies that a process works on. */
  readonly underWay: Effect.Effect<ReadonlyArray<string>, never, Files>
  /** Looks at the memory of the runs that were started here and are under way. `stepOf`: how many steps one has taken. */
  readonly look: (stepOf: (id: string) => Effect.Effect<number, never, Files>) => Effect.Effect<void, never, Files>
}

/** What `--json` says of a failure. */
const Failure = Schema.fromJsonString(
  Schema.Struct({ ok: Schema.Literal(false), error: Schema.String, message: Schema.String })
)
const decodeFailure = Schema.decodeUnknownOption(Failure)

/** The folder of studies, whose processes have locks as those of runs do. */
const STUDIES = "compare"

const signals: Readonly<Record<string, string>> = {
  SIGKILL: "its process was killed: the machine may have run out of memory"
}

/** "…, 480 steps of 8 rows" */
const stepsIn = (log: string): number | null => {
  const digits = /^.*, (\d+) steps of \d+ rows$/m.exec(log)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** `flags`: those of the device. `state`: the studio's state folder. `busy`: what the studio itself does with runs. */
export const openLauncher = (
  command: OwnCommand,
  flags: ReadonlyArray<string>,
  state: string,
  busy: Pick<Busy, "with">
): Effect.Effect<Launcher, FileError, Files> =>
  Effect.gen(function* () {
    const records = yield* openRunRecords(state)
    const { logOf, outcomeOf } = records
    yield* endRemovals(["runs/", ...records.all().map(({ id }) => id)], records.remove)
    const memory = memoryLog()
    const context = yield* Effect.context<Files>()
    const run = Effect.runPromiseWith(context)
    const textOf = (file: string, most?: number) => readTextFile(file, most).pipe(Effect.orElseSucceed(() => ""))
    const logAt = seenFiles((file) =>
      Effect.map(textOf(file), (text) => {
        const lines = text.trimEnd().split("\n")
        return { steps: stepsIn(text), last: lines.slice(-LAST_LINES) }
      })
    )
    const outcomeAt = seenFiles((file) => Effect.map(textOf(file), (text) => decodeFailure(text.trim())))
    /** Runs without a record that were asked to stop. */
    const stopRequests = new Set<string>()
    /** Processes that have been seen to write their runs: they load no more. */
    const began = new Map<string, number>()

    /** Runs and studies that are under way, of the studio and of the command line. */
    const underWay: Launcher["underWay"] = Effect.gen(function* () {
      const studies = yield* namesIn(STUDIES)
      const folders = [...(yield* runFolders()), ...studies.map((name) => `${STUDIES}/${name}`)]
      const busy: Array<string> = []
      for (const id of new Set([...folders, ...records.all().map((record) => record.id)])) {
        if ((yield* startedProcess(records.get(id))) !== undefined || (yield* lockedBy(id)) !== undefined) busy.push(id)
      }
      return busy
    })

    const launch = (record: RunRecord) =>
      Effect.gen(function* () {
        const { id, plan, resumes } = record
        const words = resumes ? ["--resume", id] : [plan, "--out", id]
        let exit: Ended | undefined
        let isRecorded = false
        const pid = yield* startDetached(command, ["train", ...words, "--json", ...flags], {
          log: logOf(id),
          stdout: outcomeOf(id),
          goesOn: resumes,
          ended: (how) => {
            exit = how
            if (isRecorded) void run(Effect.ignore(records.change(id, { exit })))
          }
        })
        const { exit: _, ...fresh } = record
        const owner = pid === undefined ? {} : { owner: yield* ownerOf(pid) }
        isRecorded = true
        const over = exit === undefined ? {} : { exit }
        yield* records.save({ ...fresh, ...owner, ...over, waits: false, stopping: false })
      })

    // one decision at a time: two that find nothing under way would both begin
    const deciding = Semaphore.makeUnsafe(1)
    const remover = openRemover(deciding)
    const turn: Launcher["turn"] = Effect.gen(function* () {
      const next = records
        .all()
        .filter(({ waits }) => waits)
        .toSorted((a, b) => a.startedAt - b.startedAt)[0]
      if (next === undefined || (yield* underWay).length > 0) return
      yield* launch(next)
    }).pipe(deciding.withPermits(1))

    const begin = (record: RunRecord, now: boolean) =>
      Effect.gen(function* () {
        if (now || (yield* underWay).length === 0) return yield* launch(record)
        yield* records.save({ ...record, waits: true })
      })

    const failureOf = (id: string, { exit, stopping, owner }: RunRecord, last: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        if (owner === undefined) return exit === undefined ? null : "its process could not be started"
        const outcome = yield* outcomeAt(outcomeOf(id))
        if (outcome?._tag === "Some") return outcome.value.message
        if (stopping || exit === undefined || exit.code === 0 || exit.code === INTERRUPTED) return null
        const why = exit.signal === null ? [] : [signals[exit.signal] ?? `its process was terminated by ${exit.signal}`]
        return [...why, ...last].join("\n")
      })

    /** A run that is new has a plan of its own from its first moment; its lock goes a moment before its process. */
    const hasBegun = (id: string, record: RunRecord | undefined) =>
      Effect.gen(function* () {
        if (record === undefined || record.resumes) return false
        return yield* isThere(`${id}/plan.json`)
      })

    const lifeOf = (id: string, ahead: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const record = records.get(id)
        const { steps = null, last = [] } = (record === undefined ? undefined : yield* logAt(logOf(id))) ?? {}
        const recorded = { startedAt: record?.startedAt ?? null, plan: record?.plan ?? null, steps }
        if (record?.waits === true) {
          const whom = ahead.length === 0 ? "its turn" : `${listed(ahead, 3).join(" and ")} to finish`
          return { ...recorded, state: "waiting", failed: null, note: `waits for ${whom}` } satisfies Life
        }
        const locked = yield* lockedBy(id)
        const owner = locked ?? (yield* startedProcess(record))
        if (owner !== undefined) {
          const isStopping = record?.stopping === true || stopRequests.has(id)
          if (locked !== undefined || (yield* hasBegun(id, record))) began.set(id, owner.pid)
          const state = isStopping ? "stopping" : began.get(id) === owner.pid ? "training" : "starting"
          return {
            ...recorded,
            state,
            failed: null,
            note: state === "starting" ? last.at(-1) || null : null
          } satisfies Life
        }
        stopRequests.delete(id)
        // what is known since the process is gone: how it ended
        const ended = records.get(id)
        const failed = ended === undefined ? null : yield* failureOf(id, ended, last)
        return { ...recorded, state: "ended", failed, note: null } satisfies Life
      })

    const lives: Launcher["lives"] = (ids) =>
      Effect.gen(function* () {
        const ahead = records.all().some(({ waits }) => waits) ? yield* underWay : []
        return yield* Effect.forEach(ids, (id) => lifeOf(id, ahead), { concurrency: 16 })
      })

    const mayGo = (id: string) =>
      Effect.gen(function* () {
        const { state } = yield* lifeOf(id, [])
        if (state !== "ended" && state !== "waiting")
          return yield* new RunRefused({ id, reason: "is still running; stop it first, then remove it" })
        const what = busy.with(id)
        if (what !== undefined) return yield* new RunRefused({ id, reason: `${what}; remove it when that is done` })
        const all = [...(yield* runFolders()), ...records.all().map((record) => record.id)]
        const inner = all.find((folder) => folder.startsWith(`${id}/`))
        if (inner !== undefined)
          return yield* new RunRefused({ id, reason: `contains another run, ${inner}; remove that one first` })
      })
    const forget = (id: string) =>
      Effect.suspend(() => {
        stopRequests.delete(id)
        began.delete(id)
        memory.forget(id)
        return records.remove(id)
      })

    return {
      records,
      startedFolders: () => records.all().flatMap(({ id }) => (remover.isGoing(id) ? [] : [id])),
      logOf,
      lives,
      turn,
      underWay,
      start: ({ id, plan, now }) =>
        begin({ id, plan, startedAt: Date.now(), waits: false, resumes: false, stopping: false }, now).pipe(
          deciding.withPermits(1)
        ),
      resume: (id, now) =>
        Effect.gen(function* () {
          const record = records.get(id)
          if (record?.waits === true && now) return yield* launch(record)
          if ((yield* lifeOf(id, [])).state !== "ended")
            return yield* new RunRefused({ id, reason: "is already running" })
          const plan = `${id}/plan.json`
          const opened = yield* isThere(plan)
          if (!opened && record === undefined) return yield* new RunRefused({ id, reason: "is not a run folder" })
          const startedAt = opened ? (record?.startedAt ?? Date.now()) : Date.now()
          yield* begin(
            { id, plan: record?.plan ?? plan, startedAt, waits: false, resumes: opened, stopping: false },
            now
          )
        }).pipe(deciding.withPermits(1)),
      remove: (id) => remover.remove({ id, sign: "plan.json", mayGo: mayGo(id), forget: forget(id) }),
      stop: (id) =>
        Effect.gen(function* () {
          const record = records.get(id)
          if (record?.waits === true) return yield* records.change(id, { waits: false })
          const owner = yield* startedProcess(record)
          if (owner === undefined) return yield* startedElsewhere(id)
          // a second signal means: leave at once, unsaved
          if (record?.stopping === true || stopRequests.has(id)) return
          stopRequests.add(id)
          yield* Effect.try({
            try: () => process.kill(owner.pid, "SIGINT"),
            catch: () =>
              new RunRefused({ id, reason: `belongs to process ${owner.pid}, which could not be signalled to stop` })
          })
          yield* records.change(id, { stopping: true })
        }),
      memoryOf: memory.plot,
      look: (stepOf) =>
        Effect.gen(function* () {
          for (const record of records.all()) {
            const owner = yield* startedProcess(record)
            if (owner !== undefined) yield* memory.look(record.id, owner.pid, yield* stepOf(record.id))
          }
        })
    } satisfies Launcher
  })
