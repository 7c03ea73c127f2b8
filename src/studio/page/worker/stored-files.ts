/**
 * A file system for programs over a stored folder: what run folders, checkpoints and data need of one.
 *
 * A path is looked up from the root at every use. Files are read as the snapshot of them that opening takes. A file is written by one at a
 * time, by a synchronous handle. OPFS moves files, and no folders: a folder is renamed file by file, so that one that a closed tab
 * left half-way is a folder that lacks files; whoever reads a checkpoint looks whether it is whole.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { type PlatformError, type SystemErrorTag, systemError } from "effect/PlatformError"
import { infoOf } from "../../../files/index.ts"

/**
 * The part of the File System standard that is used: the folders of a page's own store (OPFS), and folders in memory. Its types in
 * TypeScript's library are those of a page, which has no `createSyncAccessHandle`, and lack `move`.
 *
 * @see https://fs.spec.whatwg.org
 */

/** What a worker alone has: an open file that is read and written at once. It stays locked meanwhile. */
export interface Access {
  write(bytes: Uint8Array, options: { readonly at: number }): number
  truncate(size: number): void
  getSize(): number
  flush(): void
  close(): void
}

export interface StoredFile {
  readonly kind: "file"
  getFile(): Promise<File>
  createSyncAccessHandle(): Promise<Access>
  /** Replaces what has this name there. */
  move?(folder: StoredFolder, name: string): Promise<void>
}

export interface StoredFolder {
  readonly kind: "directory"
  getDirectoryHandle(name: string, options?: { readonly create?: boolean }): Promise<StoredFolder>
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<StoredFile>
  removeEntry(name: string, options?: { readonly recursive?: boolean }): Promise<void>
  entries(): AsyncIterable<readonly [name: string, entry: StoredFile | StoredFolder]>
}

/** A path from the root, without "." and "..", part by part. */
export const partsOf = (path: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return parts
}

/** A failure by the names that file systems have for it, whose words are shown (`files/platform-reason.ts`). */
class Fault extends Error {
  readonly tag: SystemErrorTag
  readonly code: string
  constructor(tag: SystemErrorTag, code: string) {
    super(code)
    this.tag = tag
    this.code = code
  }
}

const missing = () => new Fault("NotFound", "ENOENT")
const alreadyExists = () => new Fault("AlreadyExists", "EEXIST")

/** What a stored folder throws, by its name. */
const faults: { readonly [name: string]: readonly [SystemErrorTag, code: string] } = {
  NotFoundError: ["NotFound", "ENOENT"],
  TypeMismatchError: ["BadResource", "ENOTDIR"],
  QuotaExceededError: ["WriteZero", "ENOSPC"],
  NoModificationAllowedError: ["Busy", "EBUSY"],
  InvalidModificationError: ["Unknown", "ENOTEMPTY"],
  NotReadableError: ["Busy", "EIO"],
  NotAllowedError: ["PermissionDenied", "EACCES"],
  SecurityError: ["PermissionDenied", "EACCES"]
}

const faultOf = (cause: unknown): Fault | undefined => {
  if (cause instanceof Fault) return cause
  const fault = faults[(cause as { readonly name?: string } | null)?.name ?? ""]
  return fault === undefined ? undefined : new Fault(...fault)
}

const attempt = <A>(method: string, path: string, run: () => Promise<A>): Effect.Effect<A, PlatformError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => {
      const fault = faultOf(cause)
      return systemError({
        _tag: fault?.tag ?? "Unknown",
        module: "FileSystem",
        method,
        pathOrDescriptor: path,
        ...(fault === undefined ? { description: String(cause), cause } : { cause: fault })
      })
    }
  })

type Entry = StoredFile | StoredFolder

const folderAt = async (root: StoredFolder, parts: ReadonlyArray<string>): Promise<StoredFolder> => {
  let folder = root
  for (const part of parts) folder = await folder.getDirectoryHandle(part)
  return folder
}

/** undefined: not found */
const entryIn = async (folder: StoredFolder, name: string): Promise<Entry | undefined> => {
  try {
    return await folder.getFileHandle(name)
  } catch (cause) {
    const { name: kind } = cause as { readonly name?: string }
    if (kind === "TypeMismatchError") return folder.getDirectoryHandle(name)
    if (kind === "NotFoundError") return undefined
    throw cause
  }
}

/** The folder that a path is in, and its name there. */
const placeOf = async (root: StoredFolder, path: string) => {
  const parts = partsOf(path)
  const name = parts.at(-1)
  return { folder: await folderAt(root, parts.slice(0, -1)), name }
}

const entryAt = async (root: StoredFolder, path: string): Promise<Entry> => {
  const { folder, name } = await placeOf(root, path)
  const entry = name === undefined ? root : await entryIn(folder, name)
  if (entry === undefined) throw missing()
  return entry
}

const fileAt = async (root: StoredFolder, path: string): Promise<StoredFile> => {
  const entry = await entryAt(root, path)
  if (entry.kind === "directory") throw new Fault("BadResource", "EISDIR")
  return entry
}

/** The current file. */
export const storedFileAt = async (root: StoredFolder, path: string) => (await fileAt(root, path)).getFile()

const namesIn = async (folder: StoredFolder): Promise<Array<string>> => {
  const names: Array<string> = []
  for await (const [name] of folder.entries()) names.push(name)
  return names.sort()
}

const bytesOf = async (file: StoredFile): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await (await file.getFile()).slice().arrayBuffer())

/** All of the bytes: a handle may write fewer than it is given. */
const writeAll = (access: Access, bytes: Uint8Array, at: number): void => {
  for (let bytesWritten = 0; bytesWritten < bytes.length; ) {
    const count = access.write(bytes.subarray(bytesWritten), { at: at + bytesWritten })
    if (count === 0) throw new Fault("WriteZero", "ENOSPC")
    bytesWritten += count
  }
}

const moveFile = async (file: StoredFile, from: StoredFolder, old: string, to: StoredFolder, name: string) => {
  if (file.move !== undefined) return file.move(to, name)
  const copy = await (await to.getFileHandle(name, { create: true })).createSyncAccessHandle()
  try {
    copy.truncate(0)
    writeAll(copy, await bytesOf(file), 0)
    copy.flush()
  } finally {
    copy.close()
  }
  await from.removeEntry(old)
}

const moveFolder = async (from: StoredFolder, to: StoredFolder): Promise<void> => {
  for (const name of await namesIn(from)) {
    const entry = (await entryIn(from, name))!
    if (entry.kind === "file") await moveFile(entry, from, name, to, name)
    else await moveFolder(entry, await to.getDirectoryHandle(name, { create: true }))
  }
}

/** What is named and not a folder cannot be the folder of something. */
const asFolder = (cause: unknown): never => {
  throw (cause as { readonly name?: string }).name === "TypeMismatchError" ? alreadyExists() : cause
}

export const storedFiles = (root: StoredFolder): FileSystem.FileSystem => {
  const stat = (method: string) => (path: string) =>
    attempt(method, path, async () => {
      const entry = await entryAt(root, path)
      if (entry.kind === "directory") return infoOf("Directory", 0)
      const { size, lastModified } = await entry.getFile()
      return infoOf("File", size, lastModified)
    })

  /** Opens a file for writing as `flag` says. */
  const openToWrite = async (path: string, flag: string): Promise<Access> => {
    const { folder, name } = await placeOf(root, path)
    if (name === undefined) throw new Fault("BadResource", "EISDIR")
    const there = await entryIn(folder, name)
    if (there?.kind === "directory") throw new Fault("BadResource", "EISDIR")
    if (there !== undefined && flag.includes("x")) throw alreadyExists()
    if (there === undefined && flag.startsWith("r")) throw missing()
    const file = there ?? (await folder.getFileHandle(name, { create: true }))
    const access = await file.createSyncAccessHandle()
    if (flag.startsWith("w")) access.truncate(0)
    return access
  }

  const writeFile: FileSystem.FileSystem["writeFile"] = (path, bytes, options) =>
    attempt("writeFile", path, async () => {
      const flag = options?.flag ?? "w"
      const access = await openToWrite(path, flag)
      try {
        writeAll(access, bytes, flag.startsWith("a") ? access.getSize() : 0)
        access.flush()
      } finally {
        access.close()
      }
    })

  const makeDirectory: FileSystem.FileSystem["makeDirectory"] = (path, options) =>
    attempt("makeDirectory", path, async () => {
      const parts = partsOf(path)
      const last = parts.at(-1)
      if (options?.recursive === true) {
        let folder = root
        for (const part of parts) folder = await folder.getDirectoryHandle(part, { create: true }).catch(asFolder)
        return
      }
      const folder = await folderAt(root, parts.slice(0, -1))
      if (last === undefined || (await entryIn(folder, last)) !== undefined) throw alreadyExists()
      await folder.getDirectoryHandle(last, { create: true })
    })

  const remove: FileSystem.FileSystem["remove"] = (path, options) =>
    attempt("remove", path, async () => {
      try {
        const { folder, name } = await placeOf(root, path)
        if (name === undefined) throw new Fault("PermissionDenied", "EPERM")
        await folder.removeEntry(name, { recursive: options?.recursive === true })
      } catch (cause) {
        if (options?.force !== true || faultOf(cause)?.tag !== "NotFound") throw cause
      }
    })

  const rename: FileSystem.FileSystem["rename"] = (from, to) =>
    attempt("rename", from, async () => {
      const [old, target] = [await placeOf(root, from), await placeOf(root, to)]
      const entry = await entryAt(root, from)
      if (old.name === undefined || target.name === undefined) throw new Fault("PermissionDenied", "EPERM")
      if (entry.kind === "file") return moveFile(entry, old.folder, old.name, target.folder, target.name)
      const there = await entryIn(target.folder, target.name)
      if (there?.kind === "file") throw new Fault("BadResource", "ENOTDIR")
      if (there !== undefined && (await namesIn(there)).length > 0) throw new Fault("AlreadyExists", "ENOTEMPTY")
      await moveFolder(entry, await target.folder.getDirectoryHandle(target.name, { create: true }))
      await old.folder.removeEntry(old.name, { recursive: true })
    })

  const readDirectory: FileSystem.FileSystem["readDirectory"] = (path, options) =>
    attempt("readDirectory", path, async () => {
      const all = async (folder: StoredFolder, before: string): Promise<Array<string>> => {
        const names: Array<string> = []
        for (const name of await namesIn(folder)) {
          names.push(`${before}${name}`)
          if (options?.recursive !== true) continue
          const entry = await entryIn(folder, name)
          if (entry?.kind === "directory") names.push(...(await all(entry, `${before}${name}/`)))
        }
        return names
      }
      return all(await folderAt(root, partsOf(path)), "")
    })

  return FileSystem.make({
    ...FileSystem.makeNoop({}),
    access: (path) => Effect.asVoid(stat("access")(path)),
    stat: stat("stat"),
    lstat: stat("lstat"),
    realPath: (path) => Effect.as(stat("realPath")(path), `/${partsOf(path).join("/")}`),
    readFile: (path) => attempt("readFile", path, async () => bytesOf(await fileAt(root, path))),
    writeFile,
    makeDirectory,
    makeTempDirectoryScoped: () =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const folder = `/tmp/${crypto.randomUUID()}`
          return Effect.as(makeDirectory(folder, { recursive: true }), folder)
        }),
        (folder) => Effect.ignore(remove(folder, { recursive: true }))
      ),
    readDirectory,
    remove,
    rename,
    copyFile: (from, to) =>
      Effect.flatMap(
        attempt("copyFile", from, async () => bytesOf(await fileAt(root, from))),
        (bytes) => writeFile(to, bytes)
      ),
    open: (path, options) => {
      const flag = options?.flag ?? "r"
      return flag === "r"
        ? Effect.map(
            attempt("open", path, () => storedFileAt(root, path)),
            (file) => openedFile(path, readingOf(file))
          )
        : Effect.map(
            Effect.acquireRelease(
              attempt("open", path, () => openToWrite(path, flag)),
              (access) => Effect.sync(() => access.close())
            ),
            (access) =>
              openedFile(
                path,
                writingOf(access, () => storedFileAt(root, path)),
                flag.startsWith("a")
              )
          )
    }
  })
}

/** What an open file does. */
interface Opened {
  readonly size: () => number
  readonly read: (at: number, length: number) => Promise<Uint8Array<ArrayBuffer>>
  readonly write: (bytes: Uint8Array, at: number) => void
  readonly truncate: (size: number) => void
  readonly sync: () => void
  readonly changed: () => number | undefined
}

const notToWrite = (): never => {
  throw new Fault("PermissionDenied", "EACCES")
}

export const readingOf = (file: Awaited<ReturnType<StoredFile["getFile"]>>): Opened => ({
  size: () => file.size,
  read: async (at, length) => new Uint8Array(await file.slice(at, at + length).arrayBuffer()),
  write: notToWrite,
  truncate: notToWrite,
  sync: () => {},
  changed: () => file.lastModified
})

const writingOf = (access: Access, file: () => ReturnType<StoredFile["getFile"]>): Opened => ({
  size: () => access.getSize(),
  read: async (at, length) => {
    access.flush()
    return readingOf(await file()).read(at, length)
  },
  write: (bytes, at) => writeAll(access, bytes, at),
  truncate: (size) => access.truncate(size),
  sync: () => access.flush(),
  changed: () => undefined
})

export const openedFile = (path: string, opened: Opened, appends = false): FileSystem.File => {
  let cursor = 0
  const settled = <A>(method: string, run: () => A | Promise<A>) => attempt(method, path, async () => run())
  const read: FileSystem.File["read"] = (buffer, options) =>
    settled("read", async () => {
      const at = options?.position === undefined ? cursor : Number(options.position)
      const bytes = await opened.read(at, buffer.length)
      buffer.set(bytes)
      if (options?.position === undefined) cursor += bytes.length
      return bytes.length
    })
  const write = (bytes: Uint8Array) =>
    settled("write", () => {
      const at = appends ? opened.size() : cursor
      opened.write(bytes, at)
      cursor = at + bytes.length
      return bytes.length
    })
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: settled("stat", () => infoOf("File", opened.size(), opened.changed())),
    seek: (offset, from) =>
      Effect.sync(() => {
        cursor = Number(offset) + (from === "start" ? 0 : cursor)
        return BigInt(cursor)
      }),
    sync: settled("sync", opened.sync),
    read,
    readAlloc: (size, options) =>
      Effect.suspend(() => {
        const buffer = new Uint8Array(size)
        return Effect.map(read(buffer, options), (count) =>
          count === 0 ? Option.none() : Option.some(buffer.subarray(0, count))
        )
      }),
    truncate: (length = 0) => settled("truncate", () => opened.truncate(Number(length))),
    write,
    writeAll: (bytes) => Effect.asVoid(write(bytes))
  }
}
