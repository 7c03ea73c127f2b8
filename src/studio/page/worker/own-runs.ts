/**
 * Runs of the page: each trains in a worker of its own, one at a time. Its other data is in `.studio/runs/`, so that a
 * page that is opened again finds it.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { type Files, isThere, namesIn, readJsonFile, writeJson } from "../../../files/index.ts"
import { type Life, RunRefused, type RunWriter } from "../../runs/index.ts"
import type { RunAsked, TrainingEvent } from "./messages.ts"
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
  readonly run: RunAsked
  training: Training | undefined
  state: "waiting" | "starting" | "training" | "stopping"
  note: string | null
  steps: number | null
}

export const ownRuns = (train: Train): Effect.Effect<RunWriter, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const context = yield* Effect.context<Files>()
    yield* Effect.ignore(fs.makeDirectory(FOLDER, { recursive: true }))
    const known = new Map<string, Known>()
    const names = yield* namesIn(FOLDER)
    for (const name of names.filter((one) => one.endsWith(".json"))) {
      const record = decode(yield* readJsonFile(`${FOLDER}/${name}`).pipe(Effect.orElseSucceed(() => null)))
      if (record._tag === "Some") known.set(record.value.id, record.value)
    }
    const active = new Map<string, Active>()

    /** One after the other; what cannot be written of a log is not worth a word. */
    let writing: Promise<unknown> = Promise.resolve()
    const write = (effect: Effect.Effect<unknown, unknown, Files>) => {
      writing = writing.then(() => Effect.runPromiseWith(context)(Effect.ignore(effect)))
    }
    const remember = (record: Known) => {
      known.set(record.id, record)
      write(writeJson(recordOf(record.id), record))
    }

    const next = () => {
      if ([...active.values()].some(({ training }) => training !== undefined)) return
      const waiting = [...active.values()].find(({ state }) => state === "waiting")
      if (waiting !== undefined) launch(waiting)
    }
    const launch = (one: Active) => {
      const { run } = one
      one.state = "starting"
      one.note = null
      one.training = train(run, (event) => hear(one, event))
    }
    const hear = (one: Active, event: TrainingEvent) => {
      const { id } = one.run
      switch (event.kind) {
        case "line":
          if (one.state === "starting") one.note = event.text
          return write(fs.writeFileString(logOf(id), `${event.text}\n`, { flag: "a" }))
        case "note":
          if (one.state === "starting") one.note = event.text
          return
        case "steps":
          one.steps = event.steps
          return
        case "training":
          if (one.state === "starting") one.state = "training"
          return
        case "ended":
          active.delete(id)
          remember({ ...known.get(id)!, failed: event.message })
          if (event.message !== null) write(fs.writeFileString(logOf(id), `${event.message}\n`, { flag: "a" }))
          return next()
      }
    }
    const begin = (run: RunAsked, now: boolean) =>
      Effect.sync(() => {
        const one: Active = { run, training: undefined, state: "waiting", note: null, steps: null }
        active.set(run.id, one)
        if (now) launch(one)
        else next()
      })

    const lifeOf = (id: string): Life => {
      const one = active.get(id)
      const record = known.get(id)
      const own = { startedAt: record?.startedAt ?? null, plan: record?.plan ?? null, steps: one?.steps ?? null }
      if (one === undefined) return { ...own, state: "ended", failed: record?.failed ?? null, note: null }
      if (one.state === "waiting") return { ...own, state: "waiting", failed: null, note: "waits for its turn" }
      return { ...own, state: one.state, failed: null, note: one.state === "starting" ? one.note : null }
    }

    return {
      startedFolders: () => [...known.keys()],
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
          const own = `${id}/plan.json`
          const opened = yield* isThere(own)
          const record = known.get(id)
          if (!opened && record === undefined) return yield* new RunRefused({ id, reason: "is not a run folder" })
          const plan = record?.plan ?? own
          remember({ id, plan, startedAt: record?.startedAt ?? Date.now(), failed: null })
          yield* begin({ id, plan, resumes: opened }, now)
        }),
      stop: (id) =>
        Effect.gen(function* () {
          const one = active.get(id)
          if (one === undefined) return yield* new RunRefused({ id, reason: "is not running" })
          if (one.training === undefined) return void active.delete(id)
          if (one.state === "stopping") return
          one.state = "stopping"
          one.training.stop()
        }),
      remove: (id) =>
        Effect.gen(function* () {
          const one = active.get(id)
          if (one !== undefined && one.state !== "waiting")
            return yield* new RunRefused({ id, reason: "is still running; stop it first, then remove it" })
          active.delete(id)
          known.delete(id)
          // first what lists it: a tab that is closed in between leaves files that no one sees, and no half of a run
          for (const one of [recordOf(id), logOf(id), `${id}/plan.json`, id])
            yield* Effect.ignore(fs.remove(one, { recursive: true }))
        })
    }
  })
