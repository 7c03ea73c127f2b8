/** What a user keeps of a run next to its files: a comment, and whether it is archived. In `studio.json` of the run's folder. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type FileError, readJsonFile, writeJson } from "../../files/index.ts"

/** Characters of a comment at most. */
export const LONGEST_COMMENT = 10_000

const Annotation = Schema.Struct({
  comment: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(LONGEST_COMMENT))),
  archived: Schema.optionalKey(Schema.Boolean)
})
export type Annotation = typeof Annotation.Type

const decode = Schema.decodeUnknownOption(Annotation)

export const annotationOf = (id: string): string => `${id}/studio.json`

/** Returns an empty one for a file that is missing or has no annotation. */
export const readAnnotation = (file: string): Effect.Effect<Annotation, never, FileSystem.FileSystem> =>
  readJsonFile(file).pipe(
    Effect.map((json) => Option.getOrElse(decode(json), (): Annotation => ({}))),
    Effect.orElseSucceed((): Annotation => ({}))
  )

/** Whether the folder or the file is a symbolic link, through which the studio writes nothing. */
export const isLinked = (id: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const parts = id.split("/").map((_, i, all) => all.slice(0, i + 1).join("/"))
    for (const file of [...parts, annotationOf(id)]) {
      const info = yield* Effect.option(fs.lstat(file))
      if (info._tag === "Some" && info.value.type === "SymbolicLink") return true
    }
    return false
  })

/** Writes the annotation with what is new in it. */
export const annotate = (id: string, change: Annotation): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const file = annotationOf(id)
    yield* writeJson(file, { ...(yield* readAnnotation(file)), ...change })
  })
