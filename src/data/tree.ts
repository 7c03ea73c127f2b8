/** Common interface of folders and ZIP archives: names of entries, and bytes of files. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { cut, limit, overLimit, wholeNumber } from "../boundary/index.ts"
import { type Files, platformReason, readExactly, statRegular } from "../files/index.ts"
import { type DataError, dataError } from "./data-error.ts"
import { openFile } from "./file.ts"
import { openZip, type Zip } from "./zip.ts"

/** Direct entries of a folder, sorted by name, without hidden ones. */
export interface Entries {
  readonly folders: ReadonlyArray<string>
  readonly files: ReadonlyArray<string>
  /** links to folders */
  readonly links: ReadonlyArray<string>
}

/** A folder of the system, or of an archive. */
export interface Tree {
  /** name in a plan */
  readonly place: string
  /** whether it is in an archive, so that its files have no path */
  readonly isPacked: boolean
  /** prefix of its file names in an archive: "", or a folder and "/" */
  readonly root: string
  /** name in messages */
  readonly shown: string
  /** Lists a subfolder. Fails if it cannot be read. */
  readonly entries: (below: ReadonlyArray<string>) => Effect.Effect<Entries, DataError, Files>
  /** Reads all bytes of a file by its name, with "/". Fails if there are more than `most`. */
  readonly read: (name: string, most: Bound) => Effect.Effect<Uint8Array, DataError, Files>
}

type Bound = "row-bytes" | "image-file-bytes"

const tooLarge = (size: number, most: Bound): string | undefined =>
  size <= limit(most) ? undefined : `has ${wholeNumber(size)} bytes, more than ${overLimit(most)}`

const isHidden = (name: string): boolean => name.startsWith(".") || name === "__MACOSX"

export const isBelow = (path: Path.Path, root: string, target: string): boolean => {
  const relative = path.relative(root, target)
  return relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)
}

/** Returns a folder's name in messages: relative to the working directory, for folders below it. */
export const displayPath = (path: Path.Path, target: string): string => {
  const workingFolder = path.resolve(".")
  return isBelow(path, workingFolder, path.resolve(target))
    ? path.relative(workingFolder, path.resolve(target)) || "."
    : path.resolve(target)
}

const entriesOf = (folder: string, label: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const reported = (file: string) => Effect.mapError((error: PlatformError) => dataError(file, platformReason(error)))
    const names = yield* fs.readDirectory(folder).pipe(reported(label))
    const kinds = yield* Effect.forEach(
      names.filter((name) => !isHidden(name)).toSorted(),
      (name) =>
        Effect.gen(function* () {
          const entryPath = path.join(folder, name)
          const { type } = yield* fs.lstat(entryPath).pipe(reported(path.join(label, name)))
          if (type !== "SymbolicLink") return { name, isFolder: type === "Directory", isLink: false }
          // a dangling link is reported as a file that cannot be read
          const isFolder = yield* Effect.match(fs.stat(entryPath), {
            onFailure: () => false,
            onSuccess: (target) => target.type === "Directory"
          })
          return { name, isFolder, isLink: true }
        }),
      { concurrency: 16 }
    )
    const of = (isFolder: boolean, isLink?: boolean) =>
      kinds.flatMap((kind) =>
        kind.isFolder === isFolder && (isLink === undefined || kind.isLink === isLink) ? [kind.name] : []
      )
    return { folders: of(true, false), files: of(false), links: of(true, true) }
  })

/** Returns a folder of the system. Links are followed if their targets are in the folder as well. */
export const folderTree = (folder: string): Effect.Effect<Tree, never, Path.Path> =>
  Effect.map(Path.Path, (path) => {
    const displayed = displayPath(path, folder)
    return {
      place: folder,
      isPacked: false,
      root: "",
      shown: displayed,
      entries: (below) => entriesOf(path.join(folder, ...below), path.join(displayed, ...below)),
      read: (name, most) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const file = path.join(folder, name)
          const [root, real] = yield* Effect.all([fs.realPath(folder), fs.realPath(file)])
          const displayName = path.join(displayed, name)
          if (!isBelow(path, root, real))
            return yield* dataError(displayName, `this is a link that points outside of ${displayed}`)
          const size = Number((yield* statRegular(file)).size)
          const problem = tooLarge(size, most)
          if (problem !== undefined) return yield* dataError(displayName, problem)
          return yield* readExactly(yield* fs.open(file), 0, size)
        }).pipe(
          Effect.scoped,
          Effect.catchTags({
            FileError: ({ reason }) => dataError(path.join(displayed, name), `cannot be read: ${reason}`),
            PlatformError: (error) => dataError(path.join(displayed, name), `cannot be read: ${platformReason(error)}`)
          })
        )
    }
  })

/** An archive, and a place in it; "": all of it. */
interface PlaceInArchive {
  readonly archive: string
  readonly inside: string
}

/** Parses a place in an archive, whose path continues like that of a folder: "letters.zip/train". */
export const placeInArchive = (address: string): PlaceInArchive | undefined => {
  const [, archive, inside = ""] = /^(.*?\.zip)(?:[\\/]+(.*?))?[\\/]*$/i.exec(address) ?? []
  return archive === undefined ? undefined : { archive, inside: inside.replaceAll("\\", "/") }
}

export const isFolder = (address: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    // a missing archive is reported when it is opened
    Effect.match(fs.stat(address), { onFailure: () => false, onSuccess: ({ type }) => type === "Directory" })
  )

/** Opens the archive that contains a place, until the scope closes; undefined for other places. */
export const openArchive = (
  address: string
): Effect.Effect<{ readonly zip: Zip; readonly inside: string } | undefined, DataError, Files | Scope.Scope> =>
  Effect.gen(function* () {
    const archive = placeInArchive(address)
    if (archive === undefined || (yield* isFolder(archive.archive))) return undefined
    return { zip: yield* openZip(yield* openFile(archive.archive)), inside: archive.inside }
  })

type Folders = ReadonlyMap<string, { readonly folders: Set<string>; readonly files: Array<string> }>

/** Returns the folders of an archive by name, starting with "", and their direct entries. */
const foldersOf = ({ entries }: Zip): Folders => {
  const folders = new Map([["", { folders: new Set<string>(), files: [] as Array<string> }]])
  const folderAt = (name: string): { readonly folders: Set<string>; readonly files: Array<string> } => {
    const folder = folders.get(name)
    if (folder !== undefined) return folder
    const root = { folders: new Set<string>(), files: [] }
    folders.set(name, root)
    const cutAt = name.lastIndexOf("/")
    folderAt(name.slice(0, Math.max(0, cutAt))).folders.add(name.slice(cutAt + 1))
    return root
  }
  for (const name of entries.keys()) {
    const cutAt = name.lastIndexOf("/")
    folderAt(name.slice(0, Math.max(0, cutAt))).files.push(name.slice(cutAt + 1))
  }
  return folders
}

/** Returns the folder that was archived, if it is the only entry; otherwise `inside`. */
const wrapperOf = (folders: Folders, inside: string): string => {
  const entries = folders.get(inside)
  const [only, ...more] = entries?.folders ?? []
  if (only === undefined || more.length > 0 || entries!.files.length > 0) return inside
  const below = inside === "" ? only : `${inside}/${only}`
  return folders.get(below)!.folders.size === 0 && !isTable(folders.get(below)!.files)
    ? inside
    : wrapperOf(folders, below)
}

const isTable = (files: ReadonlyArray<string>): boolean =>
  files.some((name) => /\.(csv|tsv|jsonl?|ndjson|parquet|conll|iob2|bio)(\.gz)?$/i.test(name))

/** Returns an archive, or a folder in it, as a tree. */
export const archiveTree = (zip: Zip, address: string, inside: string): Tree => {
  const folders = foldersOf(zip)
  const root = wrapperOf(folders, inside)
  const added = root.slice(inside.length).replace(/^\//, "")
  const within = (names: ReadonlyArray<string>) => [root, ...names].filter((name) => name !== "").join("/")
  const displayed = [zip.name, root].filter((name) => name !== "").join("/")
  return {
    place: added === "" ? address : `${address}/${added}`,
    isPacked: true,
    root: root === "" ? "" : `${root}/`,
    shown: displayed,
    entries: (below) => {
      const entries = folders.get(within(below))
      if (entries === undefined)
        return Effect.fail(dataError(zip.name, `the archive has no "${cut(within(below), 100)}"`))
      return Effect.succeed({ folders: [...entries.folders].sort(), files: entries.files.toSorted(), links: [] })
    },
    read: (name, most) => {
      const entry = zip.entries.get(within([name]))
      const problem = entry === undefined ? undefined : tooLarge(entry.size, most)
      return problem === undefined ? zip.read(within([name])) : Effect.fail(dataError(`${displayed}/${name}`, problem))
    }
  }
}

/** Opens the folder of a place, in an archive or not. Returns undefined for a file. */
export const openTree = (address: string): Effect.Effect<Tree | undefined, DataError, Files | Scope.Scope> =>
  Effect.gen(function* () {
    const archive = yield* openArchive(address)
    if (archive === undefined) return (yield* isFolder(address)) ? yield* folderTree(address) : undefined
    return archive.zip.entries.has(archive.inside) ? undefined : archiveTree(archive.zip, address, archive.inside)
  })
