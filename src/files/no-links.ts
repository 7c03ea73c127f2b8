/**
 * A file system that follows no symbolic links below one folder, for programs that show folders of unknown origin: a link there
 * may point anywhere. Files outside of the folder are read and written as usual.
 *
 * A link can be inspected (`lstat`, `readLink`), renamed and removed; operations that would follow it fail with a permission error.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { Refusal } from "./platform-reason.ts"

/**
 * Returns such a file system. `root`: the folder, as this process names it; relative paths are relative to the working directory. While
 * `isReadOnly` holds, nothing in it can be written or removed.
 */
export const withoutLinks = (
  root: string,
  isReadOnly: () => boolean = () => false
): Effect.Effect<FileSystem.FileSystem, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const top = path.resolve(root)

    /** Fails if a part of a path is a link. `itself`: includes the last part. */
    const check = (method: string, file: string, itself: boolean, writes = false): Effect.Effect<void, PlatformError> =>
      Effect.gen(function* () {
        const denied = (reason: string) => {
          const cause = new Refusal(reason)
          return Effect.fail(
            systemError({ _tag: "PermissionDenied", module: "FileSystem", method, pathOrDescriptor: file, cause })
          )
        }
        const relative = path.relative(top, path.resolve(file))
        if (relative === "" || relative === ".." || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative))
          return
        if (writes && isReadOnly()) yield* denied("its folder is open read-only")
        const names = relative.split(path.sep)
        let at = top
        for (const name of itself ? names : names.slice(0, -1)) {
          at = path.join(at, name)
          const type = yield* Effect.match(fs.lstat(at), {
            // it does not exist: the operation itself will report that
            onFailure: () => undefined,
            onSuccess: (info) => info.type
          })
          if (type === undefined) return
          if (type !== "SymbolicLink") continue
          const what = at === path.resolve(file) ? "it" : path.relative(top, at)
          yield* denied(`${what} is a symbolic link, which is not followed`)
        }
      })
    /** Wraps a method whose first argument is a file with the check. */
    const checked =
      <Rest extends ReadonlyArray<unknown>, A, R>(
        method: string,
        act: (file: string, ...rest: Rest) => Effect.Effect<A, PlatformError, R>,
        { itself = true, writes = false } = {}
      ) =>
      (file: string, ...rest: Rest) =>
        Effect.andThen(check(method, file, itself, writes), act(file, ...rest))
    /** Wraps an operation on two names, neither of which is followed. */
    const moved = (method: string, from: string, to: string, act: Effect.Effect<void, PlatformError>) =>
      check(method, from, false, true).pipe(Effect.andThen(check(method, to, false, true)), Effect.andThen(act))

    return FileSystem.makeNoop({
      access: checked("access", fs.access),
      // a link exists, wherever it points
      exists: (file) =>
        Effect.andThen(
          check("exists", file, false),
          Effect.match(fs.lstat(file), { onFailure: () => false, onSuccess: () => true })
        ),
      lstat: checked("lstat", fs.lstat, { itself: false }),
      makeDirectory: checked("makeDirectory", fs.makeDirectory, { writes: true }),
      open: (file, options) =>
        Effect.andThen(
          check("open", file, true, options?.flag !== undefined && options.flag !== "r"),
          fs.open(file, options)
        ),
      readDirectory: checked("readDirectory", fs.readDirectory),
      readFile: checked("readFile", fs.readFile),
      readFileString: checked("readFileString", fs.readFileString),
      readLink: checked("readLink", fs.readLink, { itself: false }),
      realPath: checked("realPath", fs.realPath),
      remove: checked("remove", fs.remove, { itself: false, writes: true }),
      rename: (from, to) => moved("rename", from, to, fs.rename(from, to)),
      link: (from, to) => moved("link", from, to, fs.link(from, to)),
      stat: checked("stat", fs.stat),
      stream: (file, options) => Stream.unwrap(Effect.as(check("stream", file, true), fs.stream(file, options))),
      writeFile: checked("writeFile", fs.writeFile, { writes: true }),
      writeFileString: checked("writeFileString", fs.writeFileString, { writes: true })
    })
  })
