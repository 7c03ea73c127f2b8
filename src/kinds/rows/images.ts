/** Labelled images: which column or folders hold them, and what `validate` says of them. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { entriesOf, type ImagesSummary, splitFolders } from "../../data/images/index.ts"
import { dataError } from "../../data/index.ts"
import { type Choice, type Columns, choice, type DetectedRows, type Row } from "../../suggest/index.ts"
import { labelOf, probedRows, usual } from "./columns.ts"

/** "1,200 (png 1,000, jpeg 200); 16×16 (smallest), 32×32 (median), 640×480 (largest)" */
export const imagesText = ({ images, formats, smallest, median, largest }: ImagesSummary): string => {
  const counted = formats.map((one) => `${one.format} ${one.images.toLocaleString("en")}`).join(", ")
  const [least, middle, most] = [smallest, median, largest].map(({ width, height }) => `${width}×${height}`)
  return `${images.toLocaleString("en")} (${counted}); ${least} (smallest), ${middle} (median), ${most} (largest)`
}

/** Images as data sets call their column, the commonest first. */
const usualImages = ["image", "file_name", "filename", "file", "path", "image_path", "img", "photo"]

/** Where an image is: a path, a data: URI, or bytes as a Parquet file has them. */
const isImage = (value: unknown): boolean =>
  typeof value === "string"
    ? /^data:|\.(png|jpe?g|webp)$/i.test(value)
    : typeof value === "object" && value !== null && "bytes" in value

/** Whether a place is a folder, or a file whose rows have images. */
export const holdsImages = (place: string, columns: Columns) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { type } = yield* fs.stat(place).pipe(Effect.orElseSucceed(() => ({ type: "File" })))
    if (type === "Directory" || columns.image !== undefined) return true
    const rows = yield* probedRows(place)
    return Object.keys(rows[0] ?? {}).some((name) => rows.every((row) => isImage(row[name])))
  })

/** What a folder of folders, or rows with images, are to a plan of `format`. */
export const detectedImages = (format: string, place: string, columns: Columns) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { type } = yield* fs.stat(place).pipe(Effect.orElseSucceed(() => ({ type: "File" })))
    const found: Choice = choice("data.format", format, "images with labels")
    if (type === "Directory") return { format, choices: [found, ...(yield* splitsIn(place))] }
    const rows = yield* probedRows(place)
    if (rows.length === 0) return { format, choices: [found] } // what cannot be read is reported when it is opened
    const own = imageColumns(rows, columns)
    if (typeof own === "string") return yield* dataError(place, own)
    const hasPaths = rows.some((row) => typeof row[own.image] === "string" && !/^data:/.test(`${row[own.image]}`))
    const folder = path.dirname(place)
    const detected: DetectedRows = {
      format,
      choices: [
        found,
        ...own.choices,
        ...(hasPaths ? [choice("data.folder", folder, "paths in rows are relative to it, and lead nowhere else")] : [])
      ]
    }
    return detected
  })

/** The folders of splits in a folder, where it has them. */
const splitsIn = (folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { folders } = yield* entriesOf(folder, folder)
    const named = (names: ReadonlyArray<string>) => folders.find((name) => names.includes(name.toLowerCase()))
    const train = named(splitFolders.train)
    if (train === undefined) return []
    return Object.entries(splitFolders).flatMap(([split, names]) => {
      const own = named(names)
      return own === undefined
        ? []
        : [choice(`data.${split}`, path.join(folder, own), `the folder ${own} in ${folder}`)]
    })
  })

const imageColumns = (
  rows: ReadonlyArray<Row>,
  columns: Columns
): { readonly image: string; readonly choices: ReadonlyArray<Choice> } | string => {
  const all = Object.keys(rows[0]!)
  const free = all.filter((name) => !Object.values(columns).includes(name))
  const holding = free.filter((name) => rows.every((row) => isImage(row[name])))
  const image = columns.image ?? usual(usualImages, free) ?? (holding.length === 1 ? holding[0] : undefined)
  const label =
    columns.label ??
    labelOf(
      rows,
      free.filter((name) => name !== image)
    )?.value
  const missing = [...(image === undefined ? ["image"] : []), ...(label === undefined ? ["label"] : [])]
  if (image === undefined || label === undefined) {
    const flags = missing.map((name) => `--${name}`).join(" and ")
    return `which column holds the ${missing.join(" and which the ")} cannot be recognised from the first ${rows.length} rows: name it with ${flags} (found: ${all.slice(0, 10).join(", ")})`
  }
  const chosen = [
    ...(columns.image === undefined && image !== "image"
      ? [choice("data.image", image, "the column that holds images")]
      : []),
    ...(columns.label === undefined && label !== "label"
      ? [choice("data.label", `${label}`, "the column that holds a label")]
      : [])
  ]
  return { image, choices: chosen }
}
