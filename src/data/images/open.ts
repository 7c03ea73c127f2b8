/**
 * Labelled images as splits, like labelled texts: a folder of folders, or rows with a path or the bytes themselves. A row's text is the
 * name of its image. The scan of the rows also reads the header of every image: format, size, and whether it is valid.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { ImagesData } from "../../../schemas/index.ts"
import { cut, limit, mostListed } from "../../boundary/index.ts"
import { type Files, platformReason, readExactly, statRegular } from "../../files/index.ts"
import { headerOf, type ImageHeader, imageHeader } from "../../images/index.ts"
import { working } from "../../progress/index.ts"
import { type ClassificationData, openSplits } from "../classification.ts"
import { DataError, dataError } from "../data-error.ts"
import { fileOfBytes } from "../file.ts"
import { linesOf } from "../formats/jsonl.ts"
import { listFolder } from "../label-folders.ts"
import { labelTarget, openTextFile, scanTexts } from "../labelled-rows.ts"
import { textHashBuilder } from "../row-index.ts"
import { placeOfRow, type ScannedSource } from "../scan.ts"
import type { ClassificationSplit, LabelledText } from "../source.ts"
import type { BySplit, SplitSection } from "../splits.ts"
import { displayPath, isBelow, openTree, type Tree } from "../tree.ts"
import { embeddedImage, imageForm, isEmbedded } from "./value.ts"

/** Fields of a section that locate images. */
export type ImageSection = SplitSection & Pick<ImagesData, "image" | "label" | "labels" | "folder">

/** Summary of the images of all splits, from their headers. */
export interface ImagesSummary {
  readonly images: number
  /** number of images by format, most frequent first */
  readonly formats: ReadonlyArray<{ readonly format: string; readonly images: number }>
  /** the first of those with equally many pixels */
  readonly smallest: Sides
  readonly median: Sides
  readonly largest: Sides
}

interface Sides {
  readonly width: number
  readonly height: number
}

export interface ImageSplit extends ClassificationSplit {
  /** the images that its rows name, one per line: a run's record holds their hash, in addition to that of a file of rows */
  readonly list?: ReadonlyArray<string>
}

export interface ImageClasses extends ClassificationData {
  readonly splits: BySplit<ImageSplit>
  readonly images: ImagesSummary
}

/** The header of an image, or the problem as the end of a sentence. */
type Seen = SeenImage | { readonly problem: string }

interface SeenImage {
  readonly header: ImageHeader
  /** equal for identical images */
  readonly identity: string
}

/** Parses the header in an image's first bytes, or in all of them. */
const lookedAt = (bytes: Uint8Array): ImageHeader | { readonly problem: string } =>
  Effect.runSync(
    Effect.match(headerOf(bytes, ""), {
      onFailure: ({ reason }) => ({ problem: reason }),
      onSuccess: (header) => header
    })
  )

// enough for the size of most images
const [firstBytes, lastBytes] = [1 << 14, 1 << 12]
const filesInFlight = 16

/** Opens the files or folders until the scope closes. `seed` determines which rows a validation share holds out. Fails with all problems. */
export const openImages = (
  section: ImageSection,
  seed: number
): Effect.Effect<ImageClasses, DataError, Files | Scope.Scope> =>
  Effect.gen(function* () {
    const opened = new Map<string, LookedAt>()
    const data = yield* openSplits(section, seed, (address) =>
      Effect.gen(function* () {
        const rows = yield* openRowsOf(address, section)
        const images = yield* lookAt(rows)
        opened.set(address, { rows, images })
        const hashes = textHashBuilder()
        for (const { identity } of images) hashes.add(identity)
        return { ...rows.source, hashes: hashes.finish(), compared: "image" } as const
      })
    )
    const listed = (split: ClassificationSplit, address: string): ImageSplit => ({
      ...split,
      list: listOf(opened.get(address)!)
    })
    const { train, validation, test } = data.splits
    const splits: BySplit<ImageSplit> = {
      train: listed(train, section.train),
      // a share of the training rows uses their list
      ...(validation === undefined
        ? {}
        : { validation: typeof section.validation === "string" ? listed(validation, section.validation) : validation }),
      ...(test === undefined ? {} : { test: listed(test, section.test!) })
    }
    const all = [...opened.values()]
    return {
      ...data,
      splits,
      warnings: [...all.flatMap(({ rows }) => rows.warnings), ...data.warnings],
      images: summaryOf(all.flatMap(({ images }) => images.map(({ header }) => header)))
    }
  })

interface OpenedRows {
  readonly source: ScannedSource
  /** path of each row's file; null: the row contains the bytes */
  readonly files: ReadonlyArray<string | null>
  /** headers of images contained in rows, in the order of these rows */
  readonly embedded: ReadonlyArray<Seen>
  /** returns the name of a row's image in messages */
  readonly imageName: (row: number) => string
  readonly warnings: ReadonlyArray<string>
}

interface LookedAt {
  readonly rows: OpenedRows
  readonly images: ReadonlyArray<SeenImage>
}

const listOf = ({ rows, images }: LookedAt): ReadonlyArray<string> =>
  images.map(({ identity }, row) => `${rows.imageName(row)}\t${identity}`)

const openRowsOf = (address: string, section: ImageSection) =>
  Effect.gen(function* () {
    const tree = yield* openTree(address)
    return yield* tree === undefined ? openRowsFile(address, section) : openFolder(tree, section)
  })

/** Opens a folder's images as rows, JSON lines in memory, for the readers of rows by position. */
const openFolder = (tree: Tree, section: ImageSection) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { place: folder, shown } = tree
    const { files: images, warnings } = yield* listFolder(tree, "images")
    const lines = images.map(({ name, label }) => JSON.stringify({ image: name, label }))
    const file = fileOfBytes(shown, new TextEncoder().encode(`${lines.join("\n")}\n`))
    const scanned = yield* scanTexts<LabelledText>(
      linesOf({ file, from: { offset: 0, line: 1 } }),
      { text: "image" },
      labelTarget("label"),
      imageForm
    )
    const displayName = (name: string) => path.join(shown, name)
    const context = yield* Effect.context<Files>()
    const bytesOf = (name: string) => Effect.provideContext(tree.read(name, "image-file-bytes"), context)
    const imageOf = (name: string): Effect.Effect<string | Uint8Array, DataError> =>
      tree.isPacked ? bytesOf(name) : Effect.succeed(path.resolve(folder, name))
    const source: ScannedSource = {
      ...scanned,
      place: (row) => displayName(images[row]!.name),
      read: (indices) =>
        Effect.flatMap(scanned.read(indices), (rows) =>
          Effect.forEach(rows, (row) =>
            Effect.map(imageOf(row.text), (image) => ({ ...row, where: displayName(row.text), image }))
          )
        )
    }
    const names = images.map(({ name }) => name)
    const rows = { source, imageName: (row: number) => names[row]!, warnings }
    if (!tree.isPacked) {
      const root = yield* guardOf(section.folder ?? folder)
      return { ...rows, files: yield* within(root, folder, names, displayName), embedded: [] } satisfies OpenedRows
    }
    const embedded = yield* Effect.forEach(names, (name) =>
      Effect.map(bytesOf(name), (bytes) => seenOf(bytes.length, bytes, bytes.subarray(-lastBytes)))
    )
    return { ...rows, files: names.map(() => null), embedded } satisfies OpenedRows
  })

const openRowsFile = (address: string, section: ImageSection) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const folder = section.folder ?? path.dirname(address)
    const names: Array<string> = []
    const embedded: Array<Seen> = []
    const bytesIn = new Set<number>()
    const scanned = yield* openTextFile<LabelledText>(
      address,
      { text: section.image },
      {
        ...labelTarget(section.label),
        seen: ({ text }) => {
          if (!isEmbedded(text)) return void names.push(text)
          const { name, bytes } = embeddedImage(text)
          bytesIn.add(names.length)
          names.push(name)
          embedded.push(seenOf(bytes.length, bytes, bytes.subarray(-lastBytes)))
        }
      },
      imageForm
    )
    const line = (row: number) => placeOfRow(scanned, row)
    const root = yield* guardOf(folder)
    const paths = names.flatMap((name, row) => (bytesIn.has(row) ? [] : [{ name, row }]))
    const images = yield* within(
      root,
      folder,
      paths.map(({ name }) => name),
      (_, i) => line(paths[i]!.row)
    )
    const files: Array<string | null> = names.map(() => null)
    paths.forEach(({ row }, i) => {
      files[row] = images[i]!
    })
    const source: ScannedSource = {
      ...scanned,
      read: (indices) => Effect.map(scanned.read(indices), (rows) => rows.map((row) => imageOfRow(row, path, folder)))
    }
    const imageName = (row: number) => (names[row] === "" ? `row ${row + 1}` : names[row]!)
    const opened: OpenedRows = { source, files, embedded, imageName, warnings: [] }
    return opened
  })

const imageOfRow = (row: LabelledText, path: Path.Path, folder: string): LabelledText => {
  if (!isEmbedded(row.text)) return { ...row, image: path.resolve(folder, row.text) }
  const { name, bytes } = embeddedImage(row.text)
  return { ...row, text: name === "" ? row.where : name, image: bytes }
}

interface Guard {
  /** the path with links resolved */
  readonly real: string
  readonly shown: string
}

const guardOf = (folder: string): Effect.Effect<Guard, DataError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const displayed = displayPath(path, folder)
    const real = yield* fs
      .realPath(folder)
      .pipe(Effect.mapError((error) => dataError(displayed, platformReason(error))))
    return { real, shown: displayed }
  })

/** Resolves paths relative to `folder`. Fails with all that lead out of the guarded folder, including through links. */
const within = (
  { real, shown }: Guard,
  folder: string,
  names: ReadonlyArray<string>,
  nameAt: (name: string, i: number) => string
): Effect.Effect<ReadonlyArray<string>, DataError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const opened = yield* Effect.forEach(
      names,
      (name, i) => {
        const file = path.resolve(folder, name)
        // a missing file is reported when it is read
        const realPath = Effect.orElseSucceed(fs.realPath(file), () => file)
        return Effect.map(realPath, (target) => {
          const outside = !isBelow(path, real, target) && !(target === file && isBelow(path, path.resolve(shown), file))
          if (!outside) return { file }
          const leads = isBelow(path, path.resolve(shown), file) ? "is a link that points" : "is"
          return {
            problem: `${nameAt(name, i)}: the image "${cut(name, 100)}" ${leads} outside of ${shown}; set data.folder to the folder of the images`
          }
        })
      },
      { concurrency: filesInFlight }
    )
    const problems = opened.flatMap((result) => ("problem" in result ? [result.problem] : []))
    if (problems.length > 0) return yield* allProblems(shown, problems)
    return opened.flatMap((result) => ("file" in result ? [result.file] : []))
  })

const allProblems = (where: string, problems: ReadonlyArray<string>): DataError =>
  new DataError({ where, problems: problems.slice(0, mostListed), total: problems.length })

/** Reads the header of every image. Fails with all invalid ones. */
const lookAt = ({
  source,
  files,
  embedded,
  imageName
}: OpenedRows): Effect.Effect<ReadonlyArray<SeenImage>, DataError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    // a file of a folder is the place of its row
    const imageNameAt = (row: number) => (source.place === undefined ? `"${cut(imageName(row), 100)}" ` : "")
    let at = 0
    const inRow = files.map((file) => (file === null ? embedded[at++]! : null))
    const results = yield* Effect.forEach(
      files,
      (file, row) => {
        if (file === null) return Effect.succeed(inRow[row]!)
        const part = { done: row, of: files.length, unit: "images" }
        return Effect.andThen(working("reading the headers of images", part), lookAtFile(file))
      },
      { concurrency: filesInFlight }
    )
    const images = results.flatMap((result) => ("problem" in result ? [] : [result]))
    if (images.length === results.length) return images
    const problems = results.flatMap((result, row) =>
      "problem" in result ? [`${placeOfRow(source, row)}: ${imageNameAt(row)}${result.problem}`] : []
    )
    return yield* allProblems(source.where, problems)
  })

const lookAtFile = (file: string): Effect.Effect<Seen, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* statRegular(file)
    const length = Number(size)
    const handle = yield* fs.open(file)
    const first = yield* readExactly(handle, 0, Math.min(firstBytes, length))
    const last = yield* readExactly(handle, Math.max(0, length - lastBytes), Math.min(lastBytes, length))
    const identity = identityOf(length, first, last)
    const header = lookedAt(first)
    const isEnough = !("problem" in header) && length <= limit("image-file-bytes")
    return isEnough ? { header, identity } : { header: yield* imageHeader(file, file), identity }
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      ImageError: ({ reason }) => Effect.succeed<Seen>({ problem: reason }),
      FileError: ({ reason }) => Effect.succeed<Seen>({ problem: `cannot be read: ${reason}` }),
      PlatformError: (error) => Effect.succeed<Seen>({ problem: `cannot be read: ${platformReason(error)}` })
    })
  )

const seenOf = (size: number, first: Uint8Array, last: Uint8Array): Seen => {
  const header = lookedAt(first)
  return "problem" in header ? header : { header, identity: identityOf(size, first.subarray(0, firstBytes), last) }
}

/**
 * Returns the identity of an image: images of the same length, beginning and end are considered identical. Photos never are, and none is read
 * whole. FNV-1a over two lanes.
 */
const identityOf = (size: number, first: Uint8Array, last: Uint8Array): string => {
  let [high, low] = [0x811c9dc5, 0x1b873593]
  for (const part of [first, last]) {
    for (const byte of part) {
      high = Math.imul(high ^ byte, 0x01000193)
      low = Math.imul(low ^ byte, 0x85ebca6b)
    }
  }
  return `${size} ${(high >>> 0).toString(16)}${(low >>> 0).toString(16)}`
}

const summaryOf = (headers: ReadonlyArray<ImageHeader>): ImagesSummary => {
  const counts = Map.groupBy(headers, ({ format }) => format)
  const bySize = headers.toSorted((a, b) => a.width * a.height - b.width * b.height)
  const sides = ({ width, height, orientation }: ImageHeader): Sides =>
    // rotated by 90°
    orientation > 4 ? { width: height, height: width } : { width, height }
  return {
    images: headers.length,
    formats: [...counts]
      .map(([format, ofFormat]) => ({ format, images: ofFormat.length }))
      .toSorted((a, b) => b.images - a.images),
    smallest: sides(bySize[0]!),
    median: sides(bySize[Math.floor(bySize.length / 2)]!),
    largest: sides(bySize.at(-1)!)
  }
}
