/** Rows from folders and archives: text files in a folder per label, and files of rows in archives. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Encoding } from "../../schemas/index.ts"
import { listed, messageOf } from "../boundary/index.ts"
import { type Files, withProvidedFiles } from "../files/index.ts"
import type { Fields } from "./columns.ts"
import { DataError, dataError, mostProblems } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import { kindOfFiles, type LabelledFile, listFolder } from "./label-folders.ts"
import { spilled } from "./packed-file.ts"
import { asUtf8 } from "./recoded.ts"
import { DataDialect, notUtf8Bytes, wordIn } from "./text-file.ts"
import { archiveTree, folderTree, isFolder, openArchive, type Tree } from "./tree.ts"
import type { Zip } from "./zip.ts"

/** A file of rows, located from a place. */
interface LabelledText {
  readonly file: DataFile
  /** name that determines its format; "": JSON lines */
  readonly name: string
  /** returns the name of a line's row in messages; absent: the line */
  readonly place?: (line: number) => string
}

/**
 * Opens the rows of a folder of text files or of an archive. Returns undefined for other places, or without file access. `isRows`: checks whether
 * a file name is one of rows.
 */
export const openInside = (
  address: string,
  isRows: (name: string) => boolean
): Effect.Effect<LabelledText | undefined, DataError, Scope.Scope> =>
  Effect.map(withProvidedFiles(openListed(address, isRows)), Option.getOrUndefined)

const openListed = (
  address: string,
  isRows: (name: string) => boolean
): Effect.Effect<LabelledText | undefined, DataError, Files | Scope.Scope> =>
  Effect.gen(function* () {
    const archive = yield* openArchive(address)
    if (archive === undefined) {
      if (!(yield* isFolder(address))) return undefined
      const tree = yield* folderTree(address)
      return (yield* kindOfFiles(tree)) === "texts" ? yield* openTexts(tree) : undefined
    }
    const { zip, inside } = archive
    if (zip.entries.has(inside)) return yield* openEntry(zip, inside)
    const tree = archiveTree(zip, address, inside)
    const { files, folders } = yield* tree.entries([])
    const [only, ...more] = folders.length === 0 ? files.filter(isRows) : []
    if (only !== undefined && more.length === 0) return yield* openEntry(zip, `${tree.root}${only}`)
    if (only !== undefined) {
      const names = listed([only, ...more], 5).join(", ")
      return yield* dataError(
        tree.shown,
        `the archive has several files of rows (${names}); name one: ${tree.place}/${only}`
      )
    }
    const kind = yield* kindOfFiles(tree)
    if (kind === "images")
      return yield* dataError(tree.shown, 'the archive has images, which data.format "images" reads')
    return yield* openTexts(tree)
  })

const openEntry = (zip: Zip, name: string): Effect.Effect<LabelledText, DataError, Scope.Scope> =>
  Effect.map(
    // its size was checked when the archive was opened
    spilled(
      { name: `${zip.name}/${name}`, size: Number.POSITIVE_INFINITY },
      (write, signal) => zip.write(name, write, signal),
      messageOf
    ),
    (file) => ({ file, name })
  )

/** Decodes the text of a file: UTF-8, UTF-16 with a byte order mark, or `encoding`; undefined for other bytes. */
const textIn = (bytes: Uint8Array, encoding: Encoding | undefined): string | undefined => {
  const decoded = (name: string, part = bytes) => new TextDecoder(name, { fatal: true }).decode(part).trimEnd()
  try {
    if (bytes[0] === 0xff && bytes[1] === 0xfe) return decoded("utf-16le")
    if (bytes[0] === 0xfe && bytes[1] === 0xff) return decoded("utf-16be")
    return decoded("utf-8")
  } catch {
    return encoding === "latin1" ? decoded("utf-8", asUtf8(bytes)) : undefined
  }
}

/** Reads the files of a folder as rows with a text, its label and the file's name. Each file that is not text is a problem. */
const rowOf = (tree: Tree, { name, label }: LabelledFile, encoding: Encoding | undefined) =>
  Effect.map(tree.read(name, "row-bytes"), (bytes): Fields | string => {
    const text = textIn(bytes, encoding)
    return text === undefined ? `${tree.shown}/${name}: ${notUtf8Bytes(bytes)}` : { text, label, file: name }
  })

/** Reads all of them. Fails with all problems. */
export const textRows = (
  tree: Tree,
  files: ReadonlyArray<LabelledFile>,
  encoding: Encoding | undefined
): Effect.Effect<ReadonlyArray<Fields>, DataError, Files> =>
  Effect.gen(function* () {
    const rows = yield* Effect.forEach(files, (file) => rowOf(tree, file, encoding), { concurrency: 16 })
    yield* failOver(
      tree,
      rows.filter((row) => typeof row === "string")
    )
    return rows.filter((row) => typeof row !== "string")
  })

/** Returns the first file that is not valid text by itself, and one of its words decoded as Windows-1252. */
export const foreignText = (tree: Tree, files: ReadonlyArray<LabelledFile>) =>
  Effect.gen(function* () {
    for (const { name } of files) {
      const bytes = yield* tree.read(name, "row-bytes")
      if (textIn(bytes, undefined) === undefined) return { file: `${tree.shown}/${name}`, word: wordIn(bytes) }
    }
    return undefined
  })

const failOver = ({ shown }: Tree, problems: ReadonlyArray<string>) =>
  problems.length === 0
    ? Effect.void
    : Effect.fail(new DataError({ where: shown, problems: problems.slice(0, mostProblems), total: problems.length }))

// files that are read before they are written out together
const filesAtOnce = 64

/** Returns a folder's text files as rows, JSON lines. */
const openTexts = (tree: Tree): Effect.Effect<LabelledText, DataError, Files | Scope.Scope> =>
  Effect.gen(function* () {
    const { encoding } = yield* DataDialect
    const { files } = yield* listFolder(tree, "texts")
    const context = yield* Effect.context<Files>()
    const write = async (to: (bytes: Uint8Array) => Promise<void>, signal: AbortSignal) => {
      const encoder = new TextEncoder()
      for (let at = 0; at < files.length; at += filesAtOnce) {
        const read = textRows(tree, files.slice(at, at + filesAtOnce), encoding)
        const rows = await Effect.runPromiseWith(context)(read, { signal })
        await to(encoder.encode(rows.map((row) => `${JSON.stringify(row)}\n`).join("")))
      }
    }
    const file = yield* spilled({ name: tree.shown, size: Number.POSITIVE_INFINITY }, write, messageOf)
    return { file, name: "", place: (line) => `${tree.shown}/${files[line - 1]?.name ?? ""}` }
  })
