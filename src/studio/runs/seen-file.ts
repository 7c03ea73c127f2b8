/** What was read of a file, kept for as long as the file is the same by its size, its time and its place on the disk. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** `most`: files that are kept; those that were asked for longest ago are forgotten first. */
export const seenFiles = <A, R>(read: (file: string) => Effect.Effect<A, never, R>, most = 5_000) => {
  const kept = new Map<string, { readonly stamp: string; readonly value: A }>()
  /** undefined: there is no such file */
  return (file: string): Effect.Effect<A | undefined, never, R | FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const stamp = yield* stampOf(file)
      if (stamp === undefined) {
        kept.delete(file)
        return undefined
      }
      const last = kept.get(file)
      kept.delete(file)
      const now = last?.stamp === stamp ? last : { stamp, value: yield* read(file) }
      kept.set(file, now)
      if (kept.size > most) kept.delete(kept.keys().next().value!)
      return now.value
    })
}

/** Changes whenever the file does; undefined: there is no file of this name. */
export const stampOf = (file: string): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { type, size, mtime, ino } = yield* fs.stat(file)
    if (type !== "File") return undefined
    const time = Option.match(mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
    return `${size} ${time} ${Option.getOrElse(ino, () => 0)}`
  }).pipe(Effect.orElseSucceed(() => undefined))
