/**
 * Whether a folder may be worked in. One that was opened before is trusted. One that is new is trusted as well, unless it brings something
 * that reaches further than its own files: then it is open read-only until its user says otherwise.
 *
 * Code is not on the list: nothing in a folder is run, whoever trusts it.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { listed, quoted, wholeNumber } from "../../boundary/index.ts"
import { type FileError, type Files, fileError, namesIn } from "../../files/index.ts"

export interface Trust {
  /** What the folder brings that needs its user's word, a sentence each; empty: it is trusted. */
  readonly doubts: () => ReadonlyArray<string>
  readonly trust: Effect.Effect<void, FileError, FileSystem.FileSystem>
}

/** Folders that the studio lists, reads and writes. */
const PLACES = ["runs", "exports", "compare", "plans", "data"]

/** An archive with more files than this is asked about. */
const MOST = 20_000
const NAMED = 3

const ENDLESS = `more than ${wholeNumber(MOST)} files, some of which may be links to other folders`

/** Links below a folder that lead out of it, and whether there are too many files to tell. */
const leadingOut: Effect.Effect<{ readonly links: ReadonlyArray<string>; readonly isComplete: boolean }, never, Files> =
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const top = yield* fs.realPath(".")
    const links: Array<string> = []
    const leadsOut = (name: string) =>
      Effect.match(fs.realPath(name), {
        // it leads nowhere now, and may lead elsewhere later
        onFailure: () => true,
        onSuccess: (real) => real !== top && !real.startsWith(`${top}${path.sep}`)
      })
    const waiting = (yield* fs.readDirectory(".")).map((name) => ({ name, below: PLACES.includes(name) }))
    for (let visited = 0; waiting.length > 0; visited++) {
      if (visited >= MOST) return { links, isComplete: false }
      const { name, below } = waiting.pop()!
      const type = yield* Effect.match(fs.lstat(name), { onFailure: () => undefined, onSuccess: (info) => info.type })
      if (type === "SymbolicLink" && (yield* leadsOut(name))) links.push(name)
      if (type !== "Directory" || !below) continue
      const names = yield* namesIn(name)
      for (const child of names) waiting.push({ name: `${name}/${child}`, below: true })
    }
    return { links, isComplete: true }
  }).pipe(Effect.orElseSucceed(() => ({ links: [], isComplete: true })))

const doubtsOf = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { links, isComplete } = yield* leadingOut
  const names = listed(
    links.toSorted().map((link) => quoted(link)),
    NAMED
  ).join(", ")
  return [
    ...((yield* fs.exists(".studio").pipe(Effect.orElseSucceed(() => true)))
      ? ["a .studio folder with the state of another studio, which is ignored"]
      : []),
    ...(links.length === 0 ? [] : [`${links.length === 1 ? "a link" : "links"} to other folders: ${names}`]),
    ...(isComplete ? [] : [ENDLESS])
  ]
})

/** `state`: the folder with the studio's state of the working directory. */
export const openTrust = (state: string): Effect.Effect<Trust, FileError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(state, "trusted")
    const mark = Effect.mapError(fs.writeFileString(file, ""), fileError("write", file))
    const opened = yield* fs.exists(file).pipe(Effect.mapError(fileError("read", file)))
    let doubts = opened ? [] : yield* doubtsOf
    if (!opened && doubts.length === 0) yield* mark
    return {
      doubts: () => doubts,
      trust: Effect.tap(mark, () =>
        Effect.sync(() => {
          doubts = []
        })
      )
    }
  })
