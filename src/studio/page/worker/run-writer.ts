/**
 * Runs of the page: each trains in a worker of its own, one at a time. Its other data is in `.studio/runs/`, so that a
 * page that is opened again finds it.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { type Files, isThere, namesIn, readJsonFile, writeJson } from "../../../files/index.ts"
import { type Life, RunRefused, type RunWriter } from "../../runs/index.ts"
import type { TrainingEvent, TrainingRequest } from "./messages.ts"
import type { Train, Training } from "./trainer.ts"

const FOLDER = ".studio/runs"

const Known = Schema.Struct({
  id: Schema.String,
  plan: Schema.String,
  startedAt: Schema.Finite,
  failed: Schema.NullOr(Schema.String)
})
type Known = typeof Known.Type
const decode = Schema.decodeUnknownOption(Known)

const nameOf = (id: string): string => id.replaceAll("/", "+")
const logOf = (id: string): string => `${FOLDER}/${nameOf(id)}.log`
const recordOf = (id: string): string => `${FOLDER}/${nameOf(id)}.json`

/** A run that is under way, or waits for its turn. */
interface Active {
  readonly run: TrainingRequest
  training: Training | undefined
  state: "waiting" | "starting" | "training" | "stopping"
  note: string | null
  steps: number | null
}

export const openRunWriter = (train: Train): Effect.Effect<RunWriter, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const context = yield* Effect.context<Files>()
    yield* Effect.ignore(fs.makeDirectory(FOLDER, { recursive: true }))
    const records = new Map<string, Known>()
    const names = yield* namesIn(FOLDER)
    for (const name of names.filter((entry) => entry.endsWith(".json"))) {
      const record = decode(yield* readJsonFile(`${FOLDER}/${name}`).pipe(Effect.orElseSucceed(() => null)))
      if (record._tag === "Some") records.set(record.value.id, record.value)
    }
    const active = new Map<string, Active>()

    /** One after the other; what cannot be written of a log is not worth a word. */
    let writing: Promise<unknown> = Promise.resolve()
    const write = (effect: Effect.Effect<unknown, unknown, Files>) => {
      writing = writing.then(() => Effect.runPromiseWith(context)(Effect.ignore(effect)))
    }
    const remember = (record: Known) => {
      records.set(record.id, record)
      write(writeJson(recordOf(record.id), record))
    }

    const next = () => {
      if ([...active.values()].some(({ training }) => training !== undefined)) return
      const waiting = [...active.values()].find(({ state }) => state === "waiting")
      if (waiting !== undefined) launch(waiting)
    }
    const launch = (entry: Active) => {
      const { run } = entry
      entry.state = "starting"
      entry.note = null
      entry.training = train(run, (event) => hear(entry, event))
    }
    const hear = (entry: Active, event: TrainingEvent) => {
      const { id } = entry.run
      switch (event.kind) {
        case "line":
          if (entry.state === "starting") entry.note = event.text
          return write(fs.writeFileString(logOf(id), `${event.text}\n`, { flag: "a" }))
        case "note":
          if (entry.state === "starting") entry.note = event.text
          return
        case "steps":
          entry.steps = event.steps
          return
        case "training":
          if (entry.state === "starting") entry.state = "training"
          return
        case "ended":
          active.delete(id)
          remember({ ...records.get(id)!, failed: event.message })
          if (event.message !== null) write(fs.writeFileString(logOf(id), `${event.message}\n`, { flag: "a" }))
          return next()
      }
    }
    const begin = (run: TrainingRequest, now: boolean) =>
      Effect.sync(() => {
        const entry: Active = { run, training: undefined, state: "waiting", note: null, steps: null }
        active.set(run.id, entry)
        if (now) launch(entry)
        else next()
      })

    const lifeOf = (id: string): Life => {
      const entry = active.get(id)
      const record = records.get(id)
      const recorded = { startedAt: record?.startedAt ?? null, plan: record?.plan ?? null, steps: entry?.steps ?? null }
      if (entry === undefined) return { ...recorded, state: "ended", failed: record?.failed ?? null, note: null }
      if (entry.state === "waiting") return { ...recorded, state: "waiting", failed: null, note: "waits for its turn" }
      return { ...recorded, state: entry.state, failed: null, note: entry.state === "starting" ? entry.note : null }
    }

    return {
      startedFolders: () => [...records.keys()],
      logOf,
      lives: (ids) => Effect.sync(() => ids.map(lifeOf)),
      start: ({ id, plan, now }) =>
        Effect.suspend(() => {
          remember({ id, plan, startedAt: Date.now(), failed: null })
          return begin({ id, plan, resumes: false }, now)
        }),
      resume: (id, now) =>
        Effect.gen(function* () {
          const waiting = active.get(id)
          if (waiting?.state === "waiting" && now) return launch(waiting)
          if (waiting !== undefined) return yield* new RunRefused({ id, reason: "is already running" })
          const planFile = `${id}/plan.json`
          const opened = yield* isThere(planFile)
          const record = records.get(id)
          if (!opened && record === undefined) return yield* new RunRefused({ id, reason: "is not a run folder" })
          const plan = record?.plan ?? planFile
          remember({ id, plan, startedAt: record?.startedAt ?? Date.now(), failed: null })
          yield* begin({ id, plan, resumes: opened }, now)
        }),
      stop: (id) =>
        Effect.gen(function* () {
          const entry = active.get(id)
          if (entry === undefined) return yield* new RunRefused({ id, reason: "is not running" })
          if (entry.training === undefined) return void active.delete(id)
          if (entry.state === "stopping") return
          entry.state = "stopping"
          entry.training.stop()
        }),
      remove: (id) =>
        Effect.gen(function* () {
          const entry = active.get(id)
          if (entry !== undefined && entry.state !== "waiting")
            return yield* new RunRefused({ id, reason: "is still running; stop it first, then remove it" })
          active.delete(id)
          records.delete(id)
          // first what lists it: a tab that is closed in between leaves files that no one sees, and no half of a run
          for (const target of [recordOf(id), logOf(id), `${id}/plan.json`, id])
            yield* Effect.ignore(fs.remove(target, { recursive: true }))
        })
    }
  })
