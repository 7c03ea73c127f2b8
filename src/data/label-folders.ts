/**
 * A folder with a subfolder of files for each label, as torchvision's ImageFolder: an image anywhere below "photos/rose" has the label "rose", and a text
 * below "letters/thanks" the label "thanks". An archive may contain such a folder as well.
 *
 * Skips hidden files and folders and, with a warning, files with other extensions. Does not follow links to folders, since files linked
 * twice would count twice.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { cut, limit, listed, overLimit, wholeNumber } from "../boundary/index.ts"
import type { Files } from "../files/index.ts"
import { DataError, dataError } from "./data-error.ts"
import type { Entries, Tree } from "./tree.ts"

export interface LabelledFile {
  /** path from the folder, with "/": "rose/close/1.png" */
  readonly name: string
  readonly label: string
}

export interface ListedFolder {
  /** sorted by name, by code unit */
  readonly files: ReadonlyArray<LabelledFile>
  readonly warnings: ReadonlyArray<string>
}

/** A type of files with labels. */
interface FileKind {
  readonly singular: string
  readonly several: string
  /** in lower case, without the dot */
  readonly extensions: ReadonlyArray<string>
  /** alternative to such a folder */
  readonly instead: string
}

export const fileKinds = {
  images: {
    singular: "image",
    several: "images",
    extensions: ["png", "jpg", "jpeg", "webp"],
    instead: "a .csv file with a path and a label per row"
  },
  texts: {
    singular: "text file",
    several: "text files",
    extensions: ["txt"],
    instead: "a .csv file with a text and a label per row"
  }
} as const satisfies Readonly<Record<string, FileKind>>

/** Type of the files in a folder of labels. */
export type FileKindName = keyof typeof fileKinds

const isNamed = ({ extensions }: FileKind, name: string): boolean =>
  extensions.includes(/\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? "")

export const isImageName = (name: string): boolean => isNamed(fileKinds.images, name)

/** ".png, .jpg, .jpeg or .webp" */
const extensionsText = ({ extensions }: FileKind): string =>
  extensions
    .map((extension) => `.${extension}`)
    .join(", ")
    .replace(/, (?=[^,]*$)/, " or ")

/** Names of split folders in datasets. */
export const splitFolders = {
  train: ["train", "training"],
  validation: ["validation", "valid", "val", "dev"],
  test: ["test", "testing"]
} as const

const isSplit = (name: string): boolean =>
  Object.values(splitFolders).some((names: ReadonlyArray<string>) => names.includes(name.toLowerCase()))

/** Lists the labelled files of a folder. */
export const listFolder = (tree: Tree, kind: FileKindName): Effect.Effect<ListedFolder, DataError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { shown } = tree
    const fileKind: FileKind = fileKinds[kind]
    const top = yield* tree.entries([])
    const problem = wrongFolder(shown, top, fileKind)
    if (problem !== undefined) return yield* dataError(shown, problem)
    const files: Array<LabelledFile> = []
    const links = [...top.links]
    const otherFiles: Array<string> = []
    const entries = { seen: 0 }
    const walk = (below: ReadonlyArray<string>): Effect.Effect<void, DataError, Files> =>
      Effect.gen(function* () {
        const entriesBelow = yield* tree.entries(below)
        entries.seen += entriesBelow.files.length + entriesBelow.folders.length
        if (entries.seen > limit("image-files")) {
          return yield* dataError(shown, `the folder has more than ${overLimit("image-files")}`)
        }
        for (const name of entriesBelow.files) {
          const filePath = [...below, name].join("/")
          if (isNamed(fileKind, name)) files.push({ name: filePath, label: below[0]! })
          else otherFiles.push(filePath)
        }
        links.push(...entriesBelow.links.map((name) => [...below, name].join("/")))
        yield* Effect.forEach(entriesBelow.folders, (name) => walk([...below, name]), { discard: true })
      })
    yield* Effect.forEach(top.folders, (name) => walk([name]), { discard: true })
    if (links.length > 0) {
      const problems = links.map(
        (name) =>
          `${path.join(shown, name)}: this is a link to a folder, and links are not followed; use the folder itself, or list paths in a .csv file`
      )
      return yield* new DataError({ where: shown, problems, total: problems.length })
    }
    if (files.length === 0)
      return yield* dataError(
        shown,
        `its folders have no ${fileKind.several} (${extensionsText(fileKind)}); put them in a folder for each label`
      )
    return {
      files: files.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      warnings: otherFiles.length === 0 ? [] : [leftOut(shown, otherFiles, fileKind)]
    }
  })

/** Returns the type of files in a folder of folders, from the names of their first files, or undefined if it is unknown. */
export const kindOfFiles = (tree: Tree): Effect.Effect<FileKindName | undefined, DataError, Files> => {
  const first = (below: ReadonlyArray<string>): Effect.Effect<FileKindName | undefined, DataError, Files> =>
    Effect.gen(function* () {
      const { files, folders } = yield* tree.entries(below)
      const kinds = Object.keys(fileKinds) as ReadonlyArray<FileKindName>
      const matching = kinds.find((kind) => below.length > 0 && files.some((name) => isNamed(fileKinds[kind], name)))
      if (matching !== undefined || below.length > deepest) return matching
      for (const name of folders) {
        const inner = yield* first([...below, name])
        if (inner !== undefined) return inner
      }
      return undefined
    })
  return first([])
}

/** Returns at most `most` files, a proportionate number of each label. */
export const spread = (files: ReadonlyArray<LabelledFile>, most: number): ReadonlyArray<LabelledFile> => {
  const groups = [...Map.groupBy(files, ({ label }) => label).values()]
  const each = Math.max(1, Math.floor(most / groups.length))
  return groups.flatMap((group) => group.slice(0, each)).slice(0, most)
}

// folders below a label's folder, one of which is inspected for its files
const deepest = 3

/** Returns why a folder does not contain a folder for each label, as the end of a sentence. */
const wrongFolder = (folderText: string, { folders, files }: Entries, kind: FileKind): string | undefined => {
  const expected = `expected a folder of ${kind.several} for each label`
  const split = folders.find(isSplit)
  if (split !== undefined && folders.every(isSplit)) {
    const train = folders.find((name) => splitFolders.train.some((alias) => alias === name.toLowerCase())) ?? split
    return `its folders are splits (${listed(folders).join(", ")}); name each by itself: data.train "${folderText}/${train}"`
  }
  const loose = files.filter((name) => isNamed(kind, name))
  const table = files.find((name) => /^metadata\.(csv|jsonl|parquet)$/i.test(name))
  if (table !== undefined && folders.length === 0) return `it has no folders, but rows in ${table}: give that file`
  if (loose.length > 0 && folders.length > 0) {
    const verb = loose.length === 1 ? "lies" : "lie"
    return `${namesText(loose)} ${verb} next to the folders of the labels; ${expected}, and no ${kind.singular} outside of one`
  }
  if (folders.length > 0) return undefined
  const reason =
    loose.length === 0
      ? "no folders"
      : loose.length === 1
        ? `1 ${kind.singular} without a folder`
        : `${wholeNumber(loose.length)} ${kind.several} without folders`
  return `found ${reason}; ${expected}, or ${kind.instead}`
}

const namesText = (names: ReadonlyArray<string>): string =>
  listed(
    names.map((name) => cut(name, 60)),
    3
  ).join(", ")

const leftOut = (folderText: string, otherFiles: ReadonlyArray<string>, kind: FileKind): string => {
  const files = otherFiles.length === 1 ? "1 file is" : `${wholeNumber(otherFiles.length)} files are`
  return `${folderText}: ${files} left out, since no ${kind.singular} is called so (${namesText(otherFiles)}); ${kind.several} end in ${extensionsText(kind)}`
}
