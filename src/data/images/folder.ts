/**
 * A folder with a folder of images for each label, as torchvision's ImageFolder has it: an image anywhere below "photos/rose" is a rose.
 *
 * Hidden files and folders are left out, and so, with a warning, are files whose names are not an image's. Links to folders are not
 * followed: what is linked twice would be counted twice.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { cut, limit, listed, overLimit } from "../../boundary/index.ts"
import { type Files, platformReason } from "../../files/index.ts"
import { DataError, dataError } from "../data-error.ts"

export interface FolderImage {
  /** from the folder on, with "/": "rose/close/1.png" */
  readonly name: string
  readonly label: string
}

export interface ListedFolder {
  /** sorted by name, code unit by code unit */
  readonly images: ReadonlyArray<FolderImage>
  readonly warnings: ReadonlyArray<string>
}

/** What files of images are called, in lower case, without the dot. */
export const imageExtensions: ReadonlyArray<string> = ["png", "jpg", "jpeg", "webp"]
const extensionsText = ".png, .jpg, .jpeg or .webp"

export const isImageName = (name: string): boolean =>
  imageExtensions.includes(/\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? "")

const isHidden = (name: string): boolean => name.startsWith(".") || name === "__MACOSX"

/** Folders of splits, as data sets call them. */
export const splitFolders = {
  train: ["train", "training"],
  validation: ["validation", "valid", "val", "dev"],
  test: ["test", "testing"]
} as const

const isSplit = (name: string): boolean =>
  Object.values(splitFolders).some((names: ReadonlyArray<string>) => names.includes(name.toLowerCase()))

/** What is directly in a folder: names of folders, and of files, sorted, without hidden ones. Fails on what cannot be read. */
export const entriesOf = (folder: string, shown: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const reported = (file: string) => Effect.mapError((error: PlatformError) => dataError(file, platformReason(error)))
    const names = yield* fs.readDirectory(folder).pipe(reported(shown))
    const kinds = yield* Effect.forEach(
      names.filter((name) => !isHidden(name)).toSorted(),
      (name) =>
        Effect.gen(function* () {
          const place = path.join(folder, name)
          const { type } = yield* fs.lstat(place).pipe(reported(path.join(shown, name)))
          if (type !== "SymbolicLink") return { name, isFolder: type === "Directory", isLink: false }
          // one that leads nowhere is a file that cannot be read, and is reported as that
          const isFolder = yield* Effect.match(fs.stat(place), {
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

/** `shown`: what messages call the folder. */
export const listFolder = (folder: string, shown: string): Effect.Effect<ListedFolder, DataError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const top = yield* entriesOf(folder, shown)
    const problem = wrongFolder(shown, top)
    if (problem !== undefined) return yield* dataError(shown, problem)
    const images: Array<FolderImage> = []
    const links = [...top.links]
    const others: Array<string> = []
    const entries = { seen: 0 }
    const walk = (below: ReadonlyArray<string>): Effect.Effect<void, DataError, Files> =>
      Effect.gen(function* () {
        const own = yield* entriesOf(path.join(folder, ...below), path.join(shown, ...below))
        entries.seen += own.files.length + own.folders.length
        if (entries.seen > limit("image-files")) {
          return yield* dataError(shown, `the folder has more than ${overLimit("image-files")}`)
        }
        for (const name of own.files) {
          const place = [...below, name].join("/")
          if (isImageName(name)) images.push({ name: place, label: below[0]! })
          else others.push(place)
        }
        links.push(...own.links.map((name) => [...below, name].join("/")))
        yield* Effect.forEach(own.folders, (name) => walk([...below, name]), { discard: true })
      })
    yield* Effect.forEach(top.folders, (name) => walk([name]), { discard: true })
    if (links.length > 0) {
      const problems = links.map(
        (name) =>
          `${path.join(shown, name)}: this is a link to a folder, which is not followed; put the folder there, or list paths in a .csv file`
      )
      return yield* new DataError({ where: shown, problems, total: problems.length })
    }
    if (images.length === 0) return yield* dataError(shown, `its folders have no images (${extensionsText})`)
    return {
      images: images.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      warnings: others.length === 0 ? [] : [leftOut(shown, others)]
    }
  })

type Entries = Effect.Success<ReturnType<typeof entriesOf>>

/** Why a folder is none of class folders, as the end of a sentence. */
const wrongFolder = (shown: string, { folders, files }: Entries): string | undefined => {
  const expected = "expected a folder of images for each label"
  const split = folders.find(isSplit)
  if (split !== undefined && folders.every(isSplit)) {
    const train = folders.find((name) => splitFolders.train.some((one) => one === name.toLowerCase())) ?? split
    return `its folders are splits (${listed(folders).join(", ")}); name each by itself: data.train "${shown}/${train}"`
  }
  const loose = files.filter(isImageName)
  const table = files.find((name) => /^metadata\.(csv|jsonl|parquet)$/i.test(name))
  if (table !== undefined && folders.length === 0) return `it has no folders; its rows are in ${table}: give that file`
  if (loose.length > 0 && folders.length > 0) {
    const one = loose.length === 1 ? "lies" : "lie"
    return `${named(loose)} ${one} beside the folders of the labels; ${expected}, and no image outside of one`
  }
  if (folders.length > 0) return undefined
  const found =
    loose.length === 0
      ? "no folders"
      : loose.length === 1
        ? "1 image without a folder"
        : `${loose.length.toLocaleString("en")} images without folders`
  return `found ${found}; ${expected}, or a .csv file with a path and a label a row`
}

const named = (names: ReadonlyArray<string>): string =>
  listed(
    names.map((name) => cut(name, 60)),
    3
  ).join(", ")

const leftOut = (shown: string, others: ReadonlyArray<string>): string => {
  const files = others.length === 1 ? "1 file is" : `${others.length.toLocaleString("en")} files are`
  return `${shown}: ${files} left out, since no name of an image ends so (${named(others)}); images end in ${extensionsText}`
}
