/**
 * What the studio knows of the studies that it started, in its state folder. A study that the command line started has no record; its folder
 * says what there is to know.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type FileError, fileError, ProcessOwner, readJsonFile, writeJson } from "../../files/index.ts"
import { isName } from "./segments.ts"

export const StudyRecord = Schema.Struct({
  /** the study's folder, below the working directory */
  id: Schema.String.check(Schema.makeFilter((id) => id.split("/").every(isName))),
  /** what `compare` was asked, from its plan on */
  words: Schema.Array(Schema.String),
  workers: Schema.Int,
  /** milliseconds since 1970 */
  startedAt: Schema.Finite,
  owner: Schema.optionalKey(ProcessOwner),
  /** it was asked to save and end */
  stopping: Schema.Boolean,
  /** how its process ended, where the studio saw it */
  exit: Schema.optionalKey(Schema.Struct({ code: Schema.NullOr(Schema.Int), signal: Schema.NullOr(Schema.String) }))
})
export type StudyRecord = typeof StudyRecord.Type

const decode = Schema.decodeUnknownOption(StudyRecord)

export interface StudyRecords {
  /** stdout and stderr of a study's process. */
  readonly logOf: (id: string) => string
  readonly all: () => ReadonlyArray<StudyRecord>
  readonly get: (id: string) => StudyRecord | undefined
  readonly put: (record: StudyRecord) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  /** With its log. */
  readonly remove: (id: string) => Effect.Effect<void, never, FileSystem.FileSystem>
}

/** Reads what a studio of before left. `state`: the studio's state folder */
export const openStudyRecords = (
  state: string
): Effect.Effect<StudyRecords, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = path.join(state, "studies")
    const fileOf = (id: string, ending: string) => path.join(folder, `${encodeURIComponent(id)}.${ending}`)
    const logOf = (id: string) => fileOf(id, "log")
    yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(fileError("write", folder)))
    const names = yield* fs.readDirectory(folder).pipe(Effect.mapError(fileError("read", folder)))
    const records = new Map<string, StudyRecord>()
    for (const name of names.filter((one) => one.endsWith(".json"))) {
      const file = path.join(folder, name)
      const json = yield* readJsonFile(file).pipe(Effect.orElseSucceed(() => null))
      const record = Option.getOrUndefined(decode(json))
      if (record !== undefined && fileOf(record.id, "json") === file) records.set(record.id, record)
    }
    return {
      logOf,
      all: () => [...records.values()],
      get: (id) => records.get(id),
      put: (record) =>
        Effect.suspend(() => {
          records.set(record.id, record)
          return writeJson(fileOf(record.id, "json"), record)
        }),
      remove: (id) =>
        Effect.suspend(() => {
          records.delete(id)
          const files = [fileOf(id, "json"), logOf(id)]
          return Effect.forEach(files, (file) => Effect.ignore(fs.remove(file)), { discard: true })
        })
    }
  })
