/** Files and folders that are dropped anywhere on the page. */
import type { RefObject } from "preact"
import { useLayoutEffect, useRef, useState } from "preact/hooks"
import type { DroppedFile } from "../host.ts"
import { goTo } from "../place.ts"

// a folder of a home directory that was dropped by mistake
export const MOST_FILES = 100_000

export const isHidden = (path: string): boolean =>
  path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX")

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
  else for (const child of await entriesOf(entry as FileSystemDirectoryEntry)) await filesIn(child, into)
}

/** All files of what was dropped, those in folders too. Read at once: the browser forgets them when the event is over. */
const filesOfDrop = async (data: DataTransfer): Promise<ReadonlyArray<DroppedFile>> => {
  const items = [...data.items].filter(({ kind }) => kind === "file")
  const dropped = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }))
  const files: Array<DroppedFile> = []
  for (const { entry, file } of dropped) {
    if (entry !== null) await filesIn(entry, files)
    else if (file !== null) files.push({ path: file.name, file })
  }
  return files
}

/** Whether a file is dragged over the page, or over a part of it; `take` receives dropped files. */
export const useDrop = (
  take: (files: ReadonlyArray<DroppedFile>) => void,
  part?: RefObject<HTMLElement | null>
): boolean => {
  const [isOver, setOver] = useState(false)
  const taking = useRef(take)
  taking.current = take
  // with what is shown: a drag does not wait for the paint
  useLayoutEffect(() => {
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true
    const over = (event: DragEvent) => {
      if (!holdsFiles(event)) return
      event.preventDefault()
      setOver(true)
    }
    const place = part?.current ?? document.documentElement
    const leave = ({ relatedTarget }: DragEvent) => {
      if (!place.contains(relatedTarget as Node | null)) setOver(false)
    }
    const drop = (event: DragEvent) => {
      setOver(false)
      if (!holdsFiles(event)) return
      event.preventDefault()
      filesOfDrop(event.dataTransfer!).then(taking.current)
    }
    const listeners = new AbortController()
    place.addEventListener("dragover", over, listeners)
    place.addEventListener("dragleave", leave, listeners)
    place.addEventListener("drop", drop, listeners)
    return () => listeners.abort()
  }, [])
  return isOver
}

/** Explains over the whole page what a drop does. */
export const DropSign = ({ says }: { readonly says: string }) => (
  <div class="drop-sign" aria-hidden="true">
    <p>{says}</p>
  </div>
)

/** Files for the next New run. */
let forNewRun: ReadonlyArray<DroppedFile> | undefined

/** Starts a new run with files that were dropped on another view. */
export const startWith = (files: ReadonlyArray<DroppedFile>): void => {
  forNewRun = files
  goTo("new")
}

/** Returns the files that a new run was started with, once. */
export const startedWith = (): ReadonlyArray<DroppedFile> | undefined => {
  const files = forNewRun
  forNewRun = undefined
  return files
}
