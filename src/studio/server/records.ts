/**
 * What the studio knows of the runs and studies that it started, in its state folder: so that it finds them again after it was closed and
 * opened. One that the command line started has no record; its folder says what there is to know.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { type FileError, fileError, ProcessOwner, readJsonFile, writeJson } from "../../files/index.ts"
import { isName } from "./requests.ts"

/** What every record has. */
const common = {
  /** the folder of the run or study, below the working directory */
  id: Schema.String.check(Schema.makeFilter((id) => id.split("/").every(isName))),
  /** milliseconds since 1970 */
  startedAt: Schema.Finite,
  /** the process; absent: there was none yet */
  owner: Schema.optionalKey(ProcessOwner),
  /** it was asked to save and end */
  stopping: Schema.Boolean,
  /** how its process ended, where the studio saw it */
  exit: Schema.optionalKey(Schema.Struct({ code: Schema.NullOr(Schema.Int), signal: Schema.NullOr(Schema.String) }))
}

export const RunRecord = Schema.Struct({
  ...common,
  /** the plan that it was started with */
  plan: Schema.String,
  /** it has its turn when others have ended */
  waits: Schema.Boolean,
  /** its process resumes the run */
  resumes: Schema.Boolean
})
export type RunRecord = typeof RunRecord.Type

export const StudyRecord = Schema.Struct({
  ...common,
  /** what `compare` was asked, from its plan on */
  words: Schema.Array(Schema.String),
  workers: Schema.Int
})
export type StudyRecord = typeof StudyRecord.Type

export interface Records<Record> {
  /** stdout and stderr of its process. */
  readonly logOf: (id: string) => string
  /** What `--json` says at its end, where that has a file of its own. */
  readonly outcomeOf: (id: string) => string
  readonly all: () => ReadonlyArray<Record>
  readonly get: (id: string) => Record | undefined
  readonly save: (record: Record) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  readonly change: (id: string, parts: Partial<Record>) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  /** With its log; what waits to be written of it is not. */
  readonly remove: (id: string) => Effect.Effect<void, never, FileSystem.FileSystem>
}

/** Reads what a studio of before left in a folder. */
const openFolder = <R extends { readonly id: string }>(
  folder: string,
  schema: Schema.Codec<R, unknown>
): Effect.Effect<Records<R>, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const decode = Schema.decodeUnknownOption(schema)
    /** of which no two ids have the same */
    const fileOf = (id: string, ending: string) => path.join(folder, `${encodeURIComponent(id)}.${ending}`)
    const recordOf = (id: string) => fileOf(id, "json")
    yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(fileError("write", folder)))
    const names = yield* fs.readDirectory(folder).pipe(Effect.mapError(fileError("read", folder)))
    const records = new Map<string, R>()
    for (const name of names.filter((entry) => entry.endsWith(".json"))) {
      const file = path.join(folder, name)
      const json = yield* readJsonFile(file).pipe(Effect.orElseSucceed(() => null))
      const record = Option.getOrUndefined(decode(json))
      if (record !== undefined && recordOf(record.id) === file) records.set(record.id, record)
    }
    // one after the other: a run may be asked to stop in the moment in which its process ends
    const writing = Semaphore.makeUnsafe(1)
    const logOf = (id: string) => fileOf(id, "log")
    const outcomeOf = (id: string) => fileOf(id, "outcome")
    const save: Records<R>["save"] = (record) =>
      Effect.suspend(() => {
        records.set(record.id, record)
        return writing.withPermits(1)(
          Effect.suspend(() => {
            const now = records.get(record.id)
            // it may have been removed since
            return now === undefined ? Effect.void : writeJson(recordOf(record.id), now)
          })
        )
      })
    return {
      logOf,
      outcomeOf,
      all: () => [...records.values()],
      get: (id) => records.get(id),
      save,
      change: (id, parts) =>
        Effect.suspend(() => {
          const record = records.get(id)
          return record === undefined ? Effect.void : save({ ...record, ...parts })
        }),
      remove: (id) =>
        Effect.suspend(() => {
          records.delete(id)
          const files = [recordOf(id), logOf(id), outcomeOf(id)]
          return Effect.forEach(files, (file) => Effect.ignore(fs.remove(file)), { discard: true }).pipe(
            writing.withPermits(1)
          )
        })
    }
  })

/** `state`: the studio's state folder */
export const openRunRecords = (state: string) => openFolder(`${state}/runs`, RunRecord)
export const openStudyRecords = (state: string) => openFolder(`${state}/studies`, StudyRecord)
