/** Where rows are: a file, a folder with files of splits, a folder of images; and what lies beside them. */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { listed } from "../../boundary/index.ts"
import { entriesOf, splitFolders } from "../../data/images/index.ts"
import { type DataError, dataError, isRowsName } from "../../data/index.ts"
import { type Files, namesIn } from "../../files/index.ts"

/** As a plan names them. */
export interface PlaceOfRows {
  readonly train: string
  readonly validation?: string
  readonly test?: string
  /** whether `train` is a folder of images */
  readonly isFolder: boolean
}

export const isDirectory = (place: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* Effect.match(fs.stat(place), {
      onFailure: () => false,
      onSuccess: ({ type }) => type === "Directory"
    })
  })

/** "train.csv.gz" → "train" */
export const stemOf = (name: string): string => name.replace(/(\.gz)?$/i, "").replace(/\.[^.]*$/, "")

type Split = keyof typeof splitFolders

const isOf = (split: Split, name: string): boolean => splitFolders[split].some((one) => one === name.toLowerCase())

/** Of each split the first entry that has one of its names. */
const splitsAmong = (names: ReadonlyArray<string>, nameOf: (name: string) => string) => ({
  train: names.find((name) => isOf("train", nameOf(name))),
  validation: names.find((name) => isOf("validation", nameOf(name))),
  test: names.find((name) => isOf("test", nameOf(name)))
})

const beside = (folder: string, { validation, test }: { validation: string | undefined; test: string | undefined }) =>
  Effect.map(Path.Path, (path) => ({
    ...(validation === undefined ? {} : { validation: path.join(folder, validation) }),
    ...(test === undefined ? {} : { test: path.join(folder, test) })
  }))

/** The rows that a user means by a file or a folder. */
export const placeOfRows = (source: string): Effect.Effect<PlaceOfRows, DataError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (!(yield* isDirectory(source))) return yield* fileWithSplits(source)
    const { folders, files } = yield* entriesOf(source, source)
    const data = files.filter(isRowsName)
    if (folders.length === 0 && data.length > 0) {
      const splits = splitsAmong(data, stemOf)
      const train = splits.train ?? (data.length === 1 ? data[0] : undefined)
      if (train === undefined) {
        const names = listed(data, 5).join(", ")
        return yield* dataError(
          source,
          `the folder has ${data.length} files of rows (${names}), and none is called train; choose one of them`
        )
      }
      return { train: path.join(source, train), isFolder: false, ...(yield* beside(source, splits)) }
    }
    const splits = splitsAmong(folders, (name) => name)
    if (splits.train === undefined) return { train: source, isFolder: true }
    return { train: path.join(source, splits.train), isFolder: true, ...(yield* beside(source, splits)) }
  })

/** A file that is called train has its validation and test rows beside it, in files of the same kind. */
const fileWithSplits = (file: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const name = path.basename(file)
    if (!isOf("train", stemOf(name))) return { train: file, isFolder: false }
    const folder = path.dirname(file)
    const names = yield* namesIn(folder)
    const ending = name.slice(stemOf(name).length)
    const { validation, test } = splitsAmong(names.filter((one) => one.endsWith(ending)).toSorted(), (one) =>
      one.slice(0, one.length - ending.length)
    )
    return { train: file, isFolder: false, ...(yield* beside(folder, { validation, test })) }
  })
