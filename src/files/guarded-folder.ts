/**
 * Guards a folder that a process writes for hours, while others may rename it, replace it, or put symbolic links into it. Writes and
 * removals through `files` affect that folder or nothing.
 *
 * Before each write and removal, and again after creating something, checks by device and inode that the path still names the folder that
 * was opened, that the path stays in it, and that no part of the path is a symbolic link. On file systems without inodes, such as those
 * in memory, only paths and links are checked.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Refusal } from "./platform-reason.ts"

/** Location of a folder: under its name; under another name in the same parent; moved to an unknown place; or removed. */
export type FolderPlace =
  | { readonly kind: "here" | "elsewhere" | "removed" }
  | { readonly kind: "renamed"; readonly to: string }

export interface GuardedFolder {
  /** The file system for all writers here. Reads are not restricted. Operations that no writer of a run needs (copies, links, times) fail. */
  readonly files: FileSystem.FileSystem
  readonly place: Effect.Effect<FolderPlace>
}

/** Runs writers of a folder. */
export const within =
  ({ files }: GuardedFolder) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, FileSystem.FileSystem>> =>
    Effect.provideService(effect, FileSystem.FileSystem, files)

/** Returns the identity of a folder, or undefined if the file system does not report it. */
const identityOf = ({ dev, ino }: FileSystem.File.Info): string | undefined =>
  Option.isSome(ino) && ino.value !== 0n ? `${dev}:${ino.value}` : undefined

/** The read-only operations. */
const readsOf = ({
  access,
  exists,
  lstat,
  readDirectory,
  readFile,
  readFileString,
  readLink,
  realPath,
  stat,
  stream
}: FileSystem.FileSystem) => ({
  access,
  exists,
  lstat,
  readDirectory,
  readFile,
  readFileString,
  readLink,
  realPath,
  stat,
  stream
})

/** A folder that another process writes: rejects all writes, in it and elsewhere. */
export const writtenElsewhere: Effect.Effect<GuardedFolder, never, FileSystem.FileSystem> = Effect.map(
  FileSystem.FileSystem,
  (fs) => {
    const refused = (method: string) => (file: string) =>
      Effect.fail(
        systemError({
          _tag: "PermissionDenied",
          module: "FileSystem",
          method,
          pathOrDescriptor: file,
          cause: new Refusal("another process writes this run")
        })
      )
    const files = FileSystem.makeNoop({
      ...readsOf(fs),
      open: (file, options) =>
        options?.flag === undefined || options.flag === "r" ? fs.open(file, options) : refused("open")(file),
      writeFile: refused("writeFile"),
      writeFileString: refused("writeFileString"),
      makeDirectory: refused("makeDirectory"),
      remove: refused("remove"),
      rename: refused("rename"),
      link: refused("link")
    })
    return { files, place: Effect.succeed({ kind: "here" }) }
  }
)

/** Guards an existing folder until the scope closes. */
export const guardFolder = (
  directory: string
): Effect.Effect<GuardedFolder, PlatformError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = path.resolve(directory)
    // Held open: a new folder may reuse the inode of a removed one, but not while that one is open. Windows opens no folders.
    const handle = yield* Effect.option(fs.open(root))
    const identity = identityOf(yield* fs.stat(root))

    /** Fails if `file` must not be written. `replaced`: the name itself is replaced or removed, even if it is a link. */
    const check = (method: string, file: string, replaced = false) =>
      Effect.gen(function* () {
        const refusal = (reason: string) =>
          systemError({
            _tag: "PermissionDenied",
            module: "FileSystem",
            method,
            pathOrDescriptor: file,
            cause: new Refusal(reason)
          })
        const relative = path.relative(root, path.resolve(file))
        const parts = relative.split(path.sep)
        if (parts[0] === ".." || path.isAbsolute(relative)) {
          return yield* Effect.fail(refusal(`it is outside of ${directory}, which alone is written here`))
        }
        if (identityOf(yield* fs.stat(root)) !== identity) {
          return yield* Effect.fail(
            refusal(`${directory} is no longer the folder that was opened; nothing is written into another one`)
          )
        }
        let at = root
        for (const part of replaced ? parts.slice(0, -1) : parts) {
          at = path.join(at, part)
          const stat = yield* Effect.result(fs.lstat(at)) // nothing there, or nothing to be seen: the write will say so
          if (Result.isFailure(stat)) return
          if (stat.success.type !== "SymbolicLink") continue
          const what = at === path.resolve(file) ? "it" : path.join(directory, path.relative(root, at))
          return yield* Effect.fail(refusal(`${what} is a symbolic link, which is not followed for writing; remove it`))
        }
      })

    /** Removes what an operation created if the folder was replaced between the check and the operation. */
    const made = <A, E, R>(method: string, file: string, operation: Effect.Effect<A, E, R>, anew: boolean) =>
      check(method, file).pipe(
        Effect.andThen(operation),
        // an error caused by the folder being replaced meanwhile reports that
        Effect.tapError(() => check(method, file)),
        Effect.tap(() =>
          anew
            ? Effect.onError(check(method, file), () => Effect.ignore(fs.remove(file, { recursive: true })))
            : Effect.void
        )
      )

    /** Removes a file that an append created: it lacks the previous lines. */
    const begunWith = (file: string, text: string) =>
      Effect.ignore(
        Effect.gen(function* () {
          const { size } = yield* fs.stat(file)
          if (Number(size) === new TextEncoder().encode(text).length) yield* fs.remove(file)
        })
      )

    const files = FileSystem.makeNoop({
      ...readsOf(fs),
      open: (file, options) =>
        options?.flag === undefined || options.flag === "r"
          ? fs.open(file, options)
          : made("open", file, fs.open(file, options), options.flag === "wx"),
      writeFile: (file, data, options) => Effect.andThen(check("writeFile", file), fs.writeFile(file, data, options)),
      writeFileString: (file, text, options) =>
        check("writeFile", file).pipe(
          Effect.andThen(fs.writeFileString(file, text, options)),
          Effect.tap(() =>
            options?.flag === "a" ? Effect.onError(check("writeFile", file), () => begunWith(file, text)) : Effect.void
          )
        ),
      makeDirectory: (file, options) =>
        made("makeDirectory", file, fs.makeDirectory(file, options), options?.recursive !== true),
      remove: (file, options) => Effect.andThen(check("remove", file, true), fs.remove(file, options)),
      rename: (from, to) =>
        check("rename", from, true).pipe(
          Effect.andThen(check("rename", to, true)),
          Effect.andThen(fs.rename(from, to))
        ),
      link: (from, to) =>
        check("link", from, true).pipe(Effect.andThen(check("link", to, true)), Effect.andThen(fs.link(from, to)))
    })

    const isOwn = (file: string) =>
      Effect.match(fs.stat(file), {
        onFailure: () => false,
        onSuccess: (info) => identityOf(info) === identity && info.type === "Directory"
      })
    const place = Effect.gen(function* (): Effect.fn.Return<FolderPlace> {
      if (yield* isOwn(root)) return { kind: "here" }
      const names = yield* fs.readDirectory(path.dirname(root)).pipe(Effect.orElseSucceed(() => []))
      for (const name of identity === undefined ? [] : names) {
        const isSameFolder = yield* isOwn(path.join(path.dirname(root), name))
        if (isSameFolder) return { kind: "renamed", to: path.join(directory, "..", name) }
      }
      if (Option.isNone(handle)) return { kind: "removed" }
      const links = yield* handle.value.stat.pipe(
        Effect.map(({ nlink }) => Option.getOrElse(nlink, () => 0n)),
        Effect.orElseSucceed(() => 0n)
      )
      return { kind: links === 0n ? "removed" : "elsewhere" }
    })
    return { files, place }
  })
