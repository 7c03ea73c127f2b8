/** Files and folders that change while they are shown: each thing is read once, and as seldom as leaves the machine its time. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { readExactly } from "../../files/index.ts"

export interface GrowingFile {
  /** What it has by now, since the last time; `isReplaced`: the file was replaced, and these are its first lines. */
  readonly more: Effect.Effect<Grown, never, FileSystem.FileSystem>
}

interface Grown {
  readonly lines: ReadonlyArray<string>
  readonly isReplaced: boolean
}

/** A line of metrics.jsonl that says 2,048² pairs of classes has 10 MB; longer lines are not ours. */
const LONGEST = 32 * 2 ** 20
const PIECE = 4 * 2 ** 20
const NEWLINE = 10

/**
 * A file that grows by lines while it is read: what was read once is not read again. A replaced file is read from its beginning.
 * `from`: the bytes at the end that are read at first; all unless given.
 */
export const growingFile = (file: string, from = Number.POSITIVE_INFINITY): GrowingFile => {
  let offset = 0
  let identity = Number.NaN
  /** of a line whose end is not there yet, how much was looked at */
  let longest = PIECE
  const piece = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = yield* fs.stat(file)
    if (info.type !== "File") return { text: "", isReplaced: false, isWhole: true }
    const size = Number(info.size)
    const inode = Number(Option.getOrElse(info.ino, () => 0))
    const isReplaced = inode !== identity || size < offset
    if (isReplaced) {
      identity = inode
      offset = Math.max(0, size - from)
    }
    const length = Math.min(longest, size - offset)
    if (length === 0) return { text: "", isReplaced, isWhole: true }
    const handle = yield* fs.open(file)
    const bytes = yield* readExactly(handle, offset, length)
    const end = bytes.lastIndexOf(NEWLINE) + 1
    if (end === 0) {
      // a line without an end is passed over when it is longer than any
      if (length >= LONGEST) offset += length
      else if (length === longest) longest = Math.min(LONGEST, 2 * longest)
      else return { text: "", isReplaced, isWhole: true }
      return { text: "", isReplaced, isWhole: false }
    }
    longest = PIECE
    // the first line may have begun before
    const begin = isReplaced && offset > 0 ? bytes.indexOf(NEWLINE) + 1 : 0
    offset += end
    return { text: new TextDecoder().decode(bytes.subarray(begin, end)), isReplaced, isWhole: end === length }
  }).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => ({ text: "", isReplaced: false, isWhole: true }))
  )
  return {
    more: Effect.gen(function* () {
      const lines: Array<string> = []
      let isNew = false
      while (true) {
        const { text, isReplaced, isWhole } = yield* piece
        if (isReplaced) {
          isNew = true
          lines.length = 0
        }
        if (text !== "") lines.push(...text.slice(0, -1).split("\n"))
        if (isWhole) return { lines, isReplaced: isNew }
      }
    })
  }
}

/**
 * What was read of a file, kept for as long as the file is the same by its size, its time and its place on the disk. `most`: files that are
 * kept; those that were asked for longest ago are forgotten first.
 */
export const seenFiles = <A, R>(read: (file: string) => Effect.Effect<A, never, R>, most = 5_000) => {
  const cached = new Map<string, { readonly stamp: string; readonly value: A }>()
  /** undefined: there is no such file */
  return (file: string): Effect.Effect<A | undefined, never, R | FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const stamp = yield* stampOf(file)
      if (stamp === undefined) {
        cached.delete(file)
        return undefined
      }
      const last = cached.get(file)
      cached.delete(file)
      const now = last?.stamp === stamp ? last : { stamp, value: yield* read(file) }
      cached.set(file, now)
      if (cached.size > most) cached.delete(cached.keys().next().value!)
      return now.value
    })
}

/** Changes whenever the file does; undefined: the file does not exist. */
export const stampOf = (file: string): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { type, size, mtime, ino } = yield* fs.stat(file)
    if (type !== "File") return undefined
    const time = Option.match(mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
    return `${size} ${time} ${Option.getOrElse(ino, () => 0)}`
  }).pipe(Effect.orElseSucceed(() => undefined))

/** milliseconds between two looks, at least */
const PAUSE = 500
/** and as many times what the last one took */
const REST = 20

/** What each look at a folder saw, at once and then again and again while someone watches. The next one is made when that was taken. */
export const looks = <A, E, R>(look: Effect.Effect<A, E, R>): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    let pause = 0
    const next = Effect.gen(function* () {
      if (pause > 0) yield* Effect.sleep(pause)
      const began = performance.now()
      const result = yield* look
      pause = Math.max(PAUSE, REST * (performance.now() - began))
      return result
    })
    return Stream.forever(Stream.fromEffect(next))
  })
