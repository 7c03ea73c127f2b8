/**
 * Records of results that cost time or money: a JSONL file, a line each, under a key. What was computed once is not computed again, whatever
 * stopped the program. A last line that a killed process left half-written is dropped.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FileError, fileError } from "../files/index.ts"

/** An open record. */
export interface Record<A extends object> {
  /** Returns the result under a key, or undefined. */
  readonly find: (key: string) => A | undefined
  /** Adds a result, unless there is one under its key. */
  readonly add: (key: string, result: A) => Effect.Effect<void, FileError>
}

const decodeKey = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Struct({ key: Schema.String })))

/** Opens the record in `file`, which need not exist. Lines of another form are ignored. */
export const openRecord = <A extends object>(
  file: string,
  schema: Schema.Codec<A, object>
): Effect.Effect<Record<A>, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.exists(file).pipe(
      Effect.flatMap((exists) => (exists ? fs.readFileString(file) : Effect.succeed(""))),
      Effect.mapError(fileError("read", file))
    )
    const decode = Schema.decodeUnknownResult(Schema.fromJsonString(schema))
    const results = new Map<string, A>()
    for (const line of text.split("\n")) {
      const [key, result] = [decodeKey(line), decode(line)]
      if (Result.isSuccess(key) && Result.isSuccess(result)) results.set(key.success.key, result.success)
    }
    // a half-written line must not swallow the next one
    let torn = text !== "" && !text.endsWith("\n")
    return {
      find: (key) => results.get(key),
      add: (key, result) =>
        Effect.suspend(() => {
          if (results.has(key)) return Effect.void
          results.set(key, result)
          const line = `${torn ? "\n" : ""}${JSON.stringify({ key, ...result })}\n`
          torn = false
          return fs.writeFileString(file, line, { flag: "a" }).pipe(Effect.mapError(fileError("write", file)))
        })
    }
  })
