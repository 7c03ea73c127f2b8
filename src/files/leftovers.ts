/**
 * Temporary names, and leftover files: a process that is killed while writing leaves `merged.tmp-4711-0f3a…`, which the next process
 * that writes into the folder removes.
 *
 * The name identifies the writing process by its number, its machine and its start time. Machines that share a folder do not remove each
 * other's files, and a process that reuses the number of a dead one is not mistaken for it. Names of earlier versions, `merged.tmp-4711`,
 * have the number only: they count as leftovers of the file that is written again; others with such a name may belong to anyone.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { isGone, ownerOf, type ProcessOwner, thisProcess } from "./process-owner.ts"
import { sha256 } from "./sha256.ts"

const short = (text: string): string => sha256().update(text).digest("hex").slice(0, 6)
const machineOf = ({ host }: ProcessOwner): string => short(host)
const startOf = ({ boot = "", started = "" }: ProcessOwner): string => short(`${boot} ${started}`)
const endingOf = (owner: ProcessOwner): string => `.tmp-${owner.pid}-${machineOf(owner)}${startOf(owner)}`

/** Checks whether a name is a temporary one of a process that no longer runs. `untagged`: names of earlier versions count, too. */
export const isLeftover = (name: string, untagged: boolean): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const [, digits, machine, start] = /\.tmp-([1-9]\d{0,9})(?:-([0-9a-f]{6})([0-9a-f]{6}))?$/.exec(name) ?? []
    if (digits === undefined) return false
    const owner = yield* thisProcess
    if (name.endsWith(endingOf(owner))) return false
    if (machine === undefined) return untagged && (yield* isGone({ pid: Number(digits), host: owner.host }))
    if (machine !== machineOf(owner)) return false
    const now = yield* ownerOf(Number(digits))
    return (now.started !== undefined && startOf(now) !== start) || (yield* isGone(now))
  })

/** folders that this process has checked */
const swept = new Set<string>()

/** Removes leftovers of dead processes in a folder, once per folder and process. `name`: the file that is about to be written. */
const sweep = (folder: string, name: string) =>
  Effect.gen(function* () {
    if (swept.has(folder)) return
    swept.add(folder)
    const fs = yield* FileSystem.FileSystem
    const remove = (one: string) =>
      Effect.gen(function* () {
        if (!(yield* isLeftover(one, one.startsWith(`${name}.tmp-`)))) return
        const { type } = yield* fs.lstat(`${folder}${one}`)
        if (type === "File" || type === "Directory") yield* fs.remove(`${folder}${one}`, { recursive: true })
      })
    const names = yield* fs.readDirectory(folder === "" ? "." : folder)
    yield* Effect.forEach(names, (one) => Effect.ignore(remove(one)), { discard: true })
  }).pipe(Effect.ignore)

/** Returns a temporary name of this process, after removing leftovers of dead processes next to it. */
export const sweptName = (file: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const name = /[^/\\]*$/.exec(file)![0]
    yield* sweep(file.slice(0, file.length - name.length), name)
    return `${file}${endingOf(yield* thisProcess)}`
  })
