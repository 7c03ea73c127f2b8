/** Rows as a table: the first of them, what their columns hold, and what a reader should know before anything is trained on them. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Dialect } from "../../../schemas/index.ts"
import { cut, isRecord, listed, wholeNumber } from "../../boundary/index.ts"
import { embeddedImage, imageForm, isEmbedded, isImageName } from "../../data/images/index.ts"
import {
  type Broken,
  DataDialect,
  DataError,
  dataError,
  dialectsOf,
  type Fields,
  isBroken,
  listFolder,
  openTree,
  type PlaceOfRows,
  placeOfRows,
  type SampledRows,
  sampledRows,
  spread
} from "../../data/index.ts"
import { pictureOf } from "../../kinds/index.ts"
import type { Cell, ColumnOfRows, Rows } from "../protocol/index.ts"
import { ComesWith, type EngineNeeds, type Handlers } from "./handlers.ts"

/** Characters of a cell that people look at. */
const LONGEST_CELL = 300

// more different values than these are no classes that a reader would count
const MOST_DISTINCT = 100

/** The value of a cell as text; "" if missing. */
const cellText = (value: unknown): string => {
  if (value === undefined || value === null) return ""
  if (typeof value === "string") return cut(value, LONGEST_CELL)
  return cut(JSON.stringify(value) ?? "", LONGEST_CELL)
}

const isBlank = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === "string" && value.trim() === "")

/** A row whose cells are all empty. */
const isEmptyRow = (row: Fields): boolean => Object.values(row).every(isBlank)

/** A number as tables have them, also with a comma for a point. */
const isNumber = (value: unknown): boolean =>
  typeof value === "number" || (typeof value === "string" && Number.isFinite(Number(value.replace(",", "."))))

/** The path or the bytes of an image; undefined if the value is not an image. */
const imageOf = (value: unknown): string | undefined => {
  if (typeof value === "string" && !isEmbedded(value) && !isImageName(value)) return undefined
  const image = imageForm.textOf(value)
  return "text" in image && (isEmbedded(image.text) || isImageName(image.text)) ? image.text : undefined
}

const isConversation = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((turn) => isRecord(turn) && "role" in turn)

/** Names of value types, the special before the general. */
const types: ReadonlyArray<readonly [name: string, holds: (value: unknown) => boolean]> = [
  ["image", (value) => imageOf(value) !== undefined],
  ["number", isNumber],
  ["yes or no", (value) => typeof value === "boolean"],
  ["text", (value) => typeof value === "string"],
  ["conversation", isConversation],
  ["list", (value) => Array.isArray(value)],
  ["object", isRecord]
]

/** What the column holds in these rows. */
const columnOf = (name: string, rows: ReadonlyArray<Fields>): ColumnOfRows => {
  const values = rows
    .map((row) => (Object.hasOwn(row, name) ? row[name] : undefined))
    .filter((value) => !isBlank(value))
  const type = types.find(([, holds]) => values.every(holds))?.[0] ?? "mixed"
  const distinct = new Set<string>()
  for (const value of values) {
    distinct.add(typeof value === "string" ? value : JSON.stringify(value))
    if (distinct.size > MOST_DISTINCT) break
  }
  return {
    name,
    type: values.length === 0 ? "empty" : type,
    distinct: distinct.size > MOST_DISTINCT ? null : distinct.size
  }
}

/** Rows that are shown, and those that are looked at for what columns hold. */
const [SHOWN, LOOKED_AT] = [20, 1_000]
/** Columns whose cells are shown; the others are named. */
const COLUMNS_SHOWN = 50
/** Unreadable rows that are listed one by one. */
const LISTED = 3

const separatorNames: Readonly<Record<string, string>> = {
  ",": "commas",
  ";": "semicolons",
  "\t": "tabs",
  "|": "| signs"
}

const notesOf = ({ table, rows, problem }: SampledRows, columns: ReadonlyArray<string>): ReadonlyArray<string> => {
  const broken = rows.filter(isBroken)
  const empty = rows.filter((row) => !isBroken(row) && isEmptyRow(row as Fields)).length
  const of = `of the first ${wholeNumber(rows.length)} rows`
  return [
    ...(table !== undefined && table.columns.length > 1
      ? [`Columns are separated by ${separatorNames[table.separator]}.`]
      : []),
    ...(columns.length === 1
      ? [`Only one column, "${cut(columns[0]!, 60)}", was found; most runs need two, such as a text and its label.`]
      : []),
    ...(empty === 0 ? [] : [`${wholeNumber(empty)} ${of} ${empty === 1 ? "is" : "are"} empty.`]),
    ...(broken.length === 0
      ? []
      : [
          `${wholeNumber(broken.length)} ${of} cannot be read: ${listed(
            broken.map((row) => row.broken),
            LISTED
          ).join("; ")}.`
        ]),
    ...(problem === undefined ? [] : [`${problem.message}.`])
  ]
}

/** A cell; an image as a picture, where it can be read. `folder`: what paths are relative to. */
const cellOf = (value: unknown, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const image = imageOf(value)
    if (image === undefined) return { text: cellText(value) } satisfies Cell
    const embedded = isEmbedded(image) ? embeddedImage(image) : undefined
    return yield* pictureCell(embedded?.name ?? image, embedded?.bytes ?? path.resolve(folder, image))
  })

const pictureCell = (alt: string, image: string | Uint8Array) =>
  Effect.map(pictureOf({ text: alt, label: "", image, where: alt }), (picture): Cell => {
    if (picture === undefined) return { text: cut(alt === "" ? "unreadable image" : alt) }
    return { picture, alt: cut(alt === "" ? "image" : alt) }
  })

const rowsOfFile = ({ train, content, ...splits }: PlaceOfRows, dialect: Dialect) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const [likeliest] = yield* dialectsOf(train, dialect)
    // what separates columns is chosen by what is learned
    const { encoding } = likeliest!.dialect
    const read = encoding === undefined ? dialect : { ...dialect, encoding }
    const sample = yield* sampledRows(train, LOOKED_AT).pipe(Effect.provideService(DataDialect, read))
    const readable = sample.rows.filter((row): row is Fields => !isBroken(row))
    if (readable.length === 0) {
      const { broken } = sample.rows[0] as Broken
      return yield* new DataError({ where: train, problems: [broken], total: 1 })
    }
    const names = sample.table?.columns ?? [...new Set(readable.flatMap(Object.keys))]
    const columns = names.slice(0, COLUMNS_SHOWN)
    const folder = path.dirname(train)
    const rows = yield* Effect.forEach(readable.slice(0, SHOWN), (row) =>
      Effect.forEach(columns, (name) => cellOf(Object.hasOwn(row, name) ? row[name] : undefined, folder))
    )
    return {
      source: train,
      ...splits,
      format: sample.format,
      isFolder: content === "images",
      count: sample.count,
      columns: names.map((name) => columnOf(name, readable)),
      rows,
      notes: notesOf(sample, names)
    } satisfies Rows
  })

const rowsOfImages = ({ train, content: _, ...splits }: PlaceOfRows) =>
  Effect.gen(function* () {
    const tree = yield* openTree(train)
    if (tree === undefined) return yield* dataError(train, "folder not found")
    const { files: images, warnings } = yield* listFolder(tree, "images")
    const labels = new Set(images.map(({ label }) => label))
    const rows = yield* Effect.forEach(
      spread(images, SHOWN),
      ({ name, label }) =>
        Effect.gen(function* () {
          const picture = tree.isPacked
            ? yield* pictureCell(name, yield* tree.read(name, "image-file-bytes"))
            : yield* cellOf(name, train)
          return [picture, { text: cut(label) }] as ReadonlyArray<Cell>
        }),
      { concurrency: 4 }
    )
    return {
      source: train,
      ...splits,
      format: "a folder of images",
      isFolder: true,
      count: images.length,
      columns: [
        { name: "image", type: "image", distinct: images.length },
        { name: "label", type: "text", distinct: labels.size }
      ],
      rows,
      notes: [
        `Each folder is a label: ${listed(
          [...labels].map((label) => cut(label, 40)),
          10
        ).join(", ")}.`,
        ...warnings.map((warning) => `${warning}.`)
      ]
    } satisfies Rows
  }).pipe(Effect.scoped)

export const rowsHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    examples: () => Effect.map(ComesWith, ({ rows }) => rows),
    rows: ({ source, ...dialect }) =>
      Effect.gen(function* () {
        const located = yield* placeOfRows(source)
        return yield* located.content === "images" ? rowsOfImages(located) : rowsOfFile(located, dialect)
      })
  }
}
