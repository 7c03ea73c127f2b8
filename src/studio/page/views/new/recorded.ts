/** Pictures from the webcam by class. They are kept while the page is open, and become files of a folder when used. */
import type { DroppedFile } from "../../host.ts"

export interface Picture {
  readonly file: File
  /** of its thumbnail */
  readonly url: string
}

export interface RecordedClass {
  /** unique, unlike the name */
  readonly number: number
  readonly name: string
  readonly pictures: ReadonlyArray<Picture>
}

export type Recorded = ReadonlyArray<RecordedClass>

/** Pictures of all classes: about 40 MB of files, and more than a class of objects on a desk needs. */
export const MOST_PICTURES = 2_000

export const LONGEST_NAME = 60 // characters

export const another = (classes: Recorded): RecordedClass => {
  const number = Math.max(0, ...classes.map((recorded) => recorded.number)) + 1
  return { number, name: `Class ${number}`, pictures: [] }
}

const first = another([])

let classes: Recorded = [first, another([first])]

export const lastRecorded = (): Recorded => classes

export const keepRecorded = (now: Recorded): void => {
  classes = now
}

export const countOf = (all: Recorded): number => all.reduce((sum, { pictures }) => sum + pictures.length, 0)

/** Folders that data sets have for their splits: rows in them belong to all classes. */
const SPLIT = /^(train|training|validation|valid|val|dev|test|testing)$/i

/** The folder of a class: a name that files can have everywhere. */
const folderOf = (name: string): string =>
  name
    .trim()
    .replace(/[/\\<>:"|?*\p{Cc}]/gu, "_")
    .replace(/^\.+|[. ]+$/g, "_")

/** Why the pictures cannot be used yet, or undefined. */
export const obstacleOf = (all: Recorded): string | undefined => {
  const folders = new Set<string>()
  for (const { name } of all) {
    const folder = folderOf(name).normalize("NFC").toLowerCase()
    if (folder === "") return "Name every class."
    if (SPLIT.test(folder)) return `“${name.trim()}” is the name of a split: rename the class.`
    if (folders.has(folder)) return `Two classes have the name “${name.trim()}”: rename one.`
    folders.add(folder)
  }
  const recorded = all.filter(({ pictures }) => pictures.length > 0)
  return recorded.length < 2 ? "Record pictures of at least two classes." : undefined
}

/** "webcam/rock/001.jpg", … */
export const filesOf = (all: Recorded): ReadonlyArray<DroppedFile> =>
  all.flatMap(({ name, pictures }) =>
    pictures.map(({ file }, i) => ({ path: `webcam/${folderOf(name)}/${`${i + 1}`.padStart(4, "0")}.jpg`, file }))
  )
