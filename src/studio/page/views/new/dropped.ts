/** What was dropped or chosen: a plan, one file of rows, or a folder. */
import type { PlanJson } from "../../../protocol/index.ts"
import type { DroppedFile } from "../../host.ts"

export type Dropped =
  | { readonly kind: "plan"; readonly name: string; readonly plan: PlanJson }
  | { readonly kind: "rows"; readonly files: ReadonlyArray<DroppedFile> }
  | { readonly kind: "nothing"; readonly why: string }

// a folder of a home directory that was dropped by mistake
const MOST_FILES = 100_000
// a plan is a page
const LONGEST_PLAN = 2 * 2 ** 20 // bytes

const isHidden = (path: string): boolean => path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX")

const isObject = (value: unknown): value is PlanJson =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The plan in a file; undefined where it is none. */
const planIn = async ({ path, file }: DroppedFile): Promise<Dropped | undefined> => {
  if (!/\.json$/i.test(path) || file.size > LONGEST_PLAN) return undefined
  const text = await file.text()
  try {
    const plan: unknown = JSON.parse(text)
    if (!isObject(plan) || !("model" in plan || "data" in plan || "training" in plan)) return undefined
    return { kind: "plan", name: file.name.replace(/\.json$/i, ""), plan }
  } catch (error) {
    return { kind: "nothing", why: `${file.name} is no JSON: ${(error as Error).message}` }
  }
}

/** What the files are. Several that share no folder are put into one. */
export const droppedOf = async (all: ReadonlyArray<DroppedFile>): Promise<Dropped> => {
  const files = all.filter(({ path }) => !isHidden(path))
  const [first] = files
  if (first === undefined) return { kind: "nothing", why: "There is no file in what was dropped." }
  if (files.length > MOST_FILES) {
    return {
      kind: "nothing",
      why: `These are more than ${MOST_FILES.toLocaleString("en")} files: is it the right folder?`
    }
  }
  if (files.length === 1) {
    const plan = await planIn(first)
    if (plan !== undefined) return plan
    if (first.file.size === 0)
      return { kind: "nothing", why: `${first.file.name} is empty; at least one row is needed.` }
    return {
      kind: "rows",
      files: [{ path: first.path.includes("/") ? first.path : first.file.name, file: first.file }]
    }
  }
  const top = first.path.split("/")[0]!
  const isFolder = files.every(({ path }) => path.startsWith(`${top}/`))
  return { kind: "rows", files: isFolder ? files : files.map(({ path, file }) => ({ path: `rows/${path}`, file })) }
}

/** The files that an input was given, with the folders that they are in. */
export const filesOfInput = (files: FileList): ReadonlyArray<DroppedFile> =>
  [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }))

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => entry.file(resolve, reject))

/** A folder's entries; the browser hands out a hundred at a time. */
const entriesOf = async (folder: FileSystemDirectoryEntry): Promise<ReadonlyArray<FileSystemEntry>> => {
  const reader = folder.createReader()
  const all: Array<FileSystemEntry> = []
  while (true) {
    const some = await new Promise<Array<FileSystemEntry>>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return all
    all.push(...some)
  }
}

const filesIn = async (entry: FileSystemEntry, into: Array<DroppedFile>): Promise<void> => {
  if (into.length > MOST_FILES) return
  const path = entry.fullPath.replace(/^\//, "")
  if (isHidden(path)) return
  if (entry.isFile) into.push({ path, file: await fileOf(entry as FileSystemFileEntry) })
  else for (const one of await entriesOf(entry as FileSystemDirectoryEntry)) await filesIn(one, into)
}

/** All files of what was dropped, those in folders too. Read at once: the browser forgets them when the event is over. */
export const filesOfDrop = async (data: DataTransfer): Promise<ReadonlyArray<DroppedFile>> => {
  const items = [...data.items].filter(({ kind }) => kind === "file")
  const found = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }))
  const files: Array<DroppedFile> = []
  for (const { entry, file } of found) {
    if (entry !== null) await filesIn(entry, files)
    else if (file !== null) files.push({ path: file.name, file })
  }
  return files
}
