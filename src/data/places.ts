/** Locations of rows: a file, a folder or an archive with files of splits, or a folder per label; and the splits next to them. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { listed } from "../boundary/index.ts"
import { type Files, namesIn } from "../files/index.ts"
import { type DataError, dataError } from "./data-error.ts"
import { isRowsName } from "./formats/index.ts"
import { type FileKindName, kindOfFiles, splitFolders } from "./label-folders.ts"
import { openTree, type Tree } from "./tree.ts"

/** Location of rows, as in `data` of a plan. */
export interface PlaceOfRows {
  /** file or folder with the training rows */
  readonly train: string
  /** validation rows; absent: none found */
  readonly validation?: string
  /** test rows; absent: none found */
  readonly test?: string
  /** type of content: files of rows, or a folder of images or text files for each label */
  readonly content: "rows" | FileKindName
}

/** Returns the name without extensions: "train.csv.gz" → "train". */
export const stemOf = (name: string): string => name.replace(/(\.gz)?$/i, "").replace(/\.[^.]*$/, "")

type Split = keyof typeof splitFolders

const isOf = (split: Split, name: string): boolean => splitFolders[split].some((alias) => alias === name.toLowerCase())

/** Returns the first entry for each split that has one of its names. */
const splitsAmong = (names: ReadonlyArray<string>, nameOf: (name: string) => string) => ({
  train: names.find((name) => isOf("train", nameOf(name))),
  validation: names.find((name) => isOf("validation", nameOf(name))),
  test: names.find((name) => isOf("test", nameOf(name)))
})

const nextTo = (
  placeIn: (name: string) => string,
  { validation, test }: Partial<Record<Split, string | undefined>>
) => ({
  ...(validation === undefined ? {} : { validation: placeIn(validation) }),
  ...(test === undefined ? {} : { test: placeIn(test) })
})

/** Locates the rows of a file, a folder or an archive. */
export const placeOfRows = (source: string): Effect.Effect<PlaceOfRows, DataError, Files> =>
  Effect.gen(function* () {
    const tree = yield* openTree(source)
    return tree === undefined ? yield* fileWithSplits(source) : yield* placeInTree(tree)
  }).pipe(Effect.scoped)

const placeInTree = (tree: Tree): Effect.Effect<PlaceOfRows, DataError, Files | Scope.Scope> =>
  Effect.gen(function* () {
    const { folders, files } = yield* tree.entries([])
    const placeIn = (name: string) => `${tree.place.replace(/[\\/]$/, "")}/${name}`
    const data = files.filter(isRowsName)
    if (folders.length === 0 && data.length > 0) {
      const splits = splitsAmong(data, stemOf)
      const train = splits.train ?? (data.length === 1 ? data[0] : undefined)
      if (train === undefined) {
        const names = listed(data, 5).join(", ")
        return yield* dataError(
          tree.shown,
          `the folder has ${data.length} files of rows (${names}), but none called train; choose one of them`
        )
      }
      return { train: placeIn(train), content: "rows", ...nextTo(placeIn, splits) }
    }
    // for an empty folder, the reader of images reports what was expected
    const content = (yield* kindOfFiles(tree)) ?? "images"
    const splits = splitsAmong(folders, (name) => name)
    if (splits.train === undefined) return { train: tree.place, content }
    return { train: placeIn(splits.train), content, ...nextTo(placeIn, splits) }
  })

/** Finds validation and test rows next to a file called train, in files of the same kind. */
const fileWithSplits = (file: string): Effect.Effect<PlaceOfRows, never, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const name = path.basename(file)
    if (!isOf("train", stemOf(name))) return { train: file, content: "rows" }
    const folder = path.dirname(file)
    const names = yield* namesIn(folder)
    const ending = name.slice(stemOf(name).length)
    const splits = splitsAmong(names.filter((sibling) => sibling.endsWith(ending)).toSorted(), (sibling) =>
      sibling.slice(0, sibling.length - ending.length)
    )
    return { train: file, content: "rows", ...nextTo((sibling) => path.join(folder, sibling), splits) }
  })
