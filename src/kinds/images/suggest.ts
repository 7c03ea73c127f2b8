/** Labelled images and a Hugging Face model of images: values of a plan, and what a folder or rows hold. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { entriesOf, splitFolders } from "../../data/images/index.ts"
import { dataError } from "../../data/index.ts"
import { imageFamilies } from "../../models/vision/index.ts"
import {
  type Choice,
  type Columns,
  choice,
  type DetectedRows,
  type Detecting,
  fewOfEach,
  heldOutLabelled,
  nothingToEvaluate,
  type Row,
  type Suggesting
} from "../../suggest/index.ts"
import { labelOf } from "../classification/columns.ts"
import { probedRows, usual } from "../encoder-columns.ts"
import { choose, headTurns } from "../encoder-suggest.ts"
import { estimateMemory, type ResolvedImagesPlan } from "./resolve.ts"
import { suitableTask } from "./task.ts"

export const suggestImages: Suggesting<ResolvedImagesPlan> = {
  uncut: null,
  heldOut: heldOutLabelled,
  choose({ model, data }, held) {
    const { train, validation, test } = data.splits
    const evaluated = { validation: validation?.rows ?? (held > 0 ? held : null), test: test?.rows ?? null }
    const rows = train.rows - held
    const { positions, hiddenSize } = model
    const choices = choose({
      ...evaluated,
      rows,
      classes: data.labels.length,
      p95: positions,
      median: positions,
      longest: positions,
      positions,
      hiddenSize,
      narrowest: Math.min(...model.sites.map((site) => Math.min(site.in, site.out))),
      linear: model.sites.reduce((sum, site) => sum + site.in * site.out, 0),
      newHead: model.head.parameters.length > 0
    })
    return {
      // a text's length, which images do not have
      choices: choices.filter(({ path }) => path !== "data.maxLength"),
      cautions: [unmeasured, ...fewOfEach(rows, data.labels.length), ...nothingToEvaluate(evaluated)]
    }
  },
  turns: (choices) => headTurns(choices, null),
  estimate: (plan, { model, trainable, selected, data }) =>
    estimateMemory(plan, model, trainable, selected.sites, data?.splits.train.rows ?? plan.training.batchSize)
}

const unmeasured =
  "rates and steps are those that were measured on texts: of models of images under LoRA-Pro nothing was measured here"

/** Images as data sets call their column, the commonest first. */
const usualImages = ["image", "file_name", "filename", "file", "path", "image_path", "img", "photo"]

/** Where an image is: a path, a data: URI, or bytes as a Parquet file has them. */
const isImage = (value: unknown): boolean =>
  typeof value === "string"
    ? /^data:|\.(png|jpe?g|webp)$/i.test(value)
    : typeof value === "object" && value !== null && "bytes" in value

export const detectImages: Detecting = {
  columns: { images: ["image", "label"] },
  takes: ({ modelType }) => typeof modelType === "string" && Object.hasOwn(imageFamilies, modelType),
  rows: (source, place, columns) =>
    Effect.gen(function* () {
      const found = yield* detectedImages("images", place, columns)
      // what is wrong with the model is reported when it is described
      const task = yield* Effect.orElseSucceed(suitableTask(source), () => undefined)
      return task === undefined ? found : { ...found, choices: [task, ...found.choices] }
    })
}

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
