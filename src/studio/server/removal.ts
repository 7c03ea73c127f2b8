/**
 * Folders of runs, studies and exports, removed as a whole. A folder gets a hidden name next to its own, in one step, by which no list shows
 * it; then what the studio keeps of it goes, and then its files. Where the studio is killed in between, the next one ends the removal.
 *
 * Nothing is removed through a link: neither a folder that is one, nor one on whose way there is one. A link inside a folder goes with it,
 * and what it leads to stays.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import { type FileError, type Files, fileError, namesIn, platformReason } from "../../files/index.ts"
import { lockRun, type RunLocked } from "../../output/index.ts"
import { nameBeforeRemoval, RunRefused, removedName } from "../runs/index.ts"
import { isName } from "./requests.ts"

/** What the studio itself does with runs at the moment: no run is removed from under a question or an export. */
export interface Busy {
  /** Until the scope ends. `what`: "is being exported" */
  readonly hold: (id: string, what: string) => Effect.Effect<void, never, Scope.Scope>
  /** undefined: nothing is done with it */
  readonly with: (id: string) => string | undefined
}

export const openBusy = (): Busy => {
  const activities = new Set<{ readonly id: string; readonly what: string }>()
  return {
    hold: (id, what) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const activity = { id, what }
            activities.add(activity)
            return activity
          }),
          (activity) => Effect.sync(() => activities.delete(activity))
        )
      ),
    with: (id) => [...activities].find((activity) => activity.id === id)?.what
  }
}

/** Where the studio keeps many things: none of them is one run's. */
const PLACES = ["runs", "plans", "data", "compare", "exports"]

/** "runs/reviews-1" → ["runs", "reviews-1"] */
const placeOf = (id: string): readonly [folder: string, name: string] => {
  const end = id.lastIndexOf("/")
  return [id.slice(0, Math.max(0, end)), id.slice(end + 1)]
}

const below = (folder: string, name: string): string => (folder === "" ? name : `${folder}/${name}`)

/** What has this name, and no link on its way; undefined: nothing. Fails with why it is not to be removed. */
const folderType = (id: string): Effect.Effect<FileSystem.File.Type | undefined, RunRefused, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const refused = (reason: string) => new RunRefused({ id, reason })
    const segments = id.split("/")
    if (!segments.every(isName)) return yield* refused("is not a folder inside the studio's folder")
    if (segments.length === 1 && PLACES.includes(id))
      return yield* refused("is a folder that the studio itself uses and never removes")
    let type: FileSystem.File.Type | undefined
    for (const end of segments.keys()) {
      const file = segments.slice(0, end + 1).join("/")
      type = yield* fs.lstat(file).pipe(
        Effect.map((info) => info.type),
        Effect.orElseSucceed(() => undefined)
      )
      if (type === "SymbolicLink") {
        const what = file === id ? "is" : `is inside ${file}, which is`
        return yield* refused(
          `${what} a symbolic link, and the studio removes nothing through links; remove it by hand`
        )
      }
      if (type !== "Directory") break
    }
    return type
  })

/** Whether a folder is what its list takes it for, or was left in the moment in which it was made. */
const isOwn = (id: string, sign: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const names = yield* fs.readDirectory(id)
    return names.includes(sign) || names.every((name) => name === "lock" || name.startsWith(`${sign}.tmp-`))
  }).pipe(Effect.orElseSucceed(() => false))

/** A folder of a list that is to be removed. */
interface ToRemove {
  readonly id: string
  /** a file that every folder of this list has; what has none is something else, which stays */
  readonly sign: string
  /** Fails with why it cannot go: something works with it. */
  readonly mayGo: Effect.Effect<void, RunRefused, Files>
  /** Removes what the studio keeps of it elsewhere. */
  readonly forget: Effect.Effect<void, never, FileSystem.FileSystem>
}

interface Remover {
  /** Its folder is about to go, and with it its place in the list. */
  readonly isGoing: (id: string) => boolean
  /** Fails where another process writes it, and where it is or lies behind a link. */
  readonly remove: (folder: ToRemove) => Effect.Effect<void, RunRefused | RunLocked | FileError, Files>
}

/** Gives it its hidden name. undefined: there is no such folder, or it is something else. */
const hide = ({ id, sign }: ToRemove): Effect.Effect<string | undefined, RunRefused | RunLocked | FileError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if ((yield* folderType(id)) !== "Directory" || !(yield* isOwn(id, sign))) return undefined
    const [folder, name] = placeOf(id)
    const hidden = below(folder, removedName(name))
    // no process begins to write it in between
    yield* lockRun(id)
    yield* fs.rename(id, hidden).pipe(Effect.mapError(fileError("write", id)))
    return hidden
  }).pipe(Effect.scoped)

/** Removes the files of a folder that is hidden. */
const removeHidden = (id: string, hidden: string): Effect.Effect<void, RunRefused, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.remove(hidden, { recursive: true, force: true }).pipe(
      Effect.mapError((error) => {
        const reason = `was removed from the list, but some of its files remain in ${hidden}: ${platformReason(error)}; remove that folder by hand`
        return new RunRefused({ id, reason })
      })
    )
  })

/** `deciding`: whoever begins to work with such a folder holds it, so that none does between the look at it and its end. */
export const openRemover = (deciding: Semaphore.Semaphore): Remover => {
  const going = new Set<string>()
  return {
    isGoing: (id) => going.has(id),
    remove: (folder) => {
      const { id, mayGo, forget } = folder
      const takenOut = Effect.gen(function* () {
        yield* mayGo
        going.add(id)
        const hidden = yield* hide(folder)
        yield* forget
        return hidden
      }).pipe(Effect.ensuring(Effect.sync(() => going.delete(id))), deciding.withPermits(1))
      // whoever asked may leave: half a removal would go unreported
      return takenOut.pipe(
        Effect.flatMap((hidden) => (hidden === undefined ? Effect.void : removeHidden(id, hidden))),
        Effect.uninterruptible
      )
    }
  }
}

/** Completes removals of an earlier studio, of these folders and next to them. `forget`: removes the studio's own data of one. */
export const endRemovals = (
  ids: ReadonlyArray<string>,
  forget: (id: string) => Effect.Effect<void, never, FileSystem.FileSystem>
): Effect.Effect<void, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (const folder of new Set(ids.map((id) => placeOf(id)[0]))) {
      const names = yield* namesIn(folder || ".")
      for (const name of names) {
        const before = nameBeforeRemoval(name)
        if (before === undefined) continue
        const hidden = below(folder, name)
        const isFolder = Effect.map(folderType(hidden), (type) => type === "Directory")
        if (!(yield* isFolder.pipe(Effect.orElseSucceed(() => false)))) continue
        const id = below(folder, before)
        // a run of the same name may have come since
        if (!(yield* fs.exists(id).pipe(Effect.orElseSucceed(() => true)))) yield* forget(id)
        yield* Effect.ignore(removeHidden(id, hidden))
      }
    }
  })
