/** Labelled images: detection of their column or folders, and their summary in `validate`. */
import { wholeNumber } from "../../boundary/index.ts"
import type { ImagesSummary } from "../../data/images/index.ts"
import { type Columns, choice, type Detecting, type Found, sure } from "../../suggest/index.ts"
import { classesIn, columnsIn, isImage, labelEvidence, shownText, usual } from "./columns.ts"

/** Formats a summary: "1,200 (png 1,000, jpeg 200); 16×16 (smallest), 32×32 (median), 640×480 (largest)". */
export const imagesText = ({ images, formats, smallest, median, largest }: ImagesSummary): string => {
  const counted = formats.map((entry) => `${entry.format} ${wholeNumber(entry.images)}`).join(", ")
  const [least, middle, most] = [smallest, median, largest].map(({ width, height }) => `${width}×${height}`)
  return `${wholeNumber(images)} (${counted}); ${least} (smallest), ${middle} (median), ${most} (largest)`
}

export const HINT_OF_IMAGES =
  "pass a folder with one folder of images per label, or name the columns with --image and --label"

/** Common names of image columns, the most common first. */
const usualImages = ["image", "file_name", "filename", "file", "path", "image_path", "img", "photo"]

const folderOf = (file: string): string => file.replace(/[/\\]?[^/\\]*$/, "") || "."

/** Detects images for a plan of `format` in a folder of folders or in rows. */
export const imagesIn = (
  format: string,
  { content, rows, train }: Parameters<Detecting["rows"]>[0],
  columns: Columns
): ReadonlyArray<Found> => {
  const formatChoice = choice("data.format", format, "images with labels")
  const all = columnsIn(rows)
  if (content === "texts") return []
  if (content === "images") {
    const classes = new Set(rows.map((row) => row["label"])).size
    return [
      {
        format,
        sentence: `a class for each picture (${classes} classes, a folder each)`,
        example: `${shownText(rows[0]?.["image"])} → ${rows[0]?.["label"] ?? ""}`,
        certainty: sure.clearly,
        columns: {},
        choices: [formatChoice]
      }
    ]
  }
  const holding = all.filter(({ filled, cells }) => filled.length === cells.length && filled.every(isImage))
  const names = holding.map(({ name }) => name)
  const image = columns.image ?? usual(usualImages, names) ?? names[0]
  if (image === undefined) return []
  const hasPaths = rows.some((row) => typeof row[image] === "string" && !/^data:/.test(`${row[image]}`))
  const folder = choice("data.folder", folderOf(train), "paths in rows are relative to it and stay inside it")
  const columnChoice = (role: "image" | "label", name: string) =>
    name === role || columns[role] !== undefined
      ? []
      : [choice(`data.${role}`, name, `the column that holds ${role === "image" ? "images" : "a label"}`)]
  return labelEvidence(all, columns, [image]).map(({ column, column: { name }, certainty }) => ({
    format,
    sentence: `a class for each picture (${classesIn(column)})`,
    example: `${shownText(rows[0]?.[image])} → ${rows[0]?.[name] ?? ""}`,
    certainty: (columns.image === undefined ? sure.clearly : sure.named) * certainty,
    columns: { image, label: name },
    choices: [
      formatChoice,
      ...columnChoice("image", image),
      ...columnChoice("label", name),
      ...(hasPaths ? [folder] : [])
    ]
  }))
}
