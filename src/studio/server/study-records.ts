/**
 * What the studio knows of the studies that it started, in `.studio/studies/`. A study that the command line started has no record; its folder
 * says what there is to know.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type FileError, fileError, ProcessOwner, readJsonFile, writeJson } from "../../files/index.ts"

const RECORDS = ".studio/studies"

export const StudyRecord = Schema.Struct({
  /** the study's folder */
  id: Schema.String,
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

const fileOf = (id: string, ending: string): string => `${RECORDS}/${encodeURIComponent(id)}.${ending}`

/** stdout and stderr of a study's process. */
export const studyLog = (id: string): string => fileOf(id, "log")
const decode = Schema.decodeUnknownOption(StudyRecord)

export interface StudyRecords {
  readonly all: () => ReadonlyArray<StudyRecord>
  readonly get: (id: string) => StudyRecord | undefined
  readonly put: (record: StudyRecord) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  /** With its log. */
  readonly remove: (id: string) => Effect.Effect<void, never, FileSystem.FileSystem>
}

/** Reads what a studio of before left. */
export const openStudyRecords: Effect.Effect<StudyRecords, FileError, FileSystem.FileSystem | Path.Path> = Effect.gen(
  function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(RECORDS, { recursive: true }).pipe(Effect.mapError(fileError("write", RECORDS)))
    const names = yield* fs.readDirectory(RECORDS).pipe(Effect.mapError(fileError("read", RECORDS)))
    const records = new Map<string, StudyRecord>()
    for (const name of names.filter((one) => one.endsWith(".json"))) {
      const json = yield* readJsonFile(`${RECORDS}/${name}`).pipe(Effect.orElseSucceed(() => null))
      const record = Option.getOrUndefined(decode(json))
      if (record !== undefined && fileOf(record.id, "json") === `${RECORDS}/${name}`) records.set(record.id, record)
    }
    return {
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
          const files = [fileOf(id, "json"), studyLog(id)]
          return Effect.forEach(files, (file) => Effect.ignore(fs.remove(file)), { discard: true })
        })
    }
  }
)
