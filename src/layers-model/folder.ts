/**
 * Files in a folder, in Bun, Deno and Node. The runtime is asked for its file system when it is needed, so that nothing
 * of Node's is in a page's bundle.
 */
import { temporaryName } from "../files/index.ts"
import { AdapterFileError, reasonOf } from "./errors.ts"
import type { AdapterFiles } from "./stored-forms.ts"

interface Disk {
  readonly fs: typeof import("node:fs/promises")
  readonly path: typeof import("node:path")
  readonly url: typeof import("node:url")
}

/** The runtime's file system; undefined in a page. */
const disk = (): Disk | undefined => {
  const builtin = globalThis.process?.getBuiltinModule as ((name: string) => unknown) | undefined
  if (typeof builtin !== "function") return undefined
  const [fs, path, url] = ["node:fs/promises", "node:path", "node:url"].map((name) => builtin(name))
  return { fs, path, url } as Disk
}

export const hasDisk = (): boolean => disk() !== undefined

/** Runs with the file system; whatever goes wrong is an AdapterFileError about `place`. */
const onDisk = async <T>(place: string, f: (disk: Disk, path: string) => Promise<T>): Promise<T> => {
  const found = disk()
  if (found === undefined) {
    const problem = 'there are no folders in a page; use "indexeddb://…", "downloads://…", or files() for their bytes'
    throw new AdapterFileError({ source: place, problems: [problem] })
  }
  try {
    return await f(found, place.startsWith("file:") ? pathOf(found, place) : place)
  } catch (cause) {
    if (cause instanceof AdapterFileError) throw cause
    throw new AdapterFileError({ source: place, problems: [reasonOf(cause)] })
  }
}

/** "file:///home/…", and "file://adapters/x" as tfjs-node has it: relative. */
const pathOf = ({ url }: Disk, place: string): string =>
  place.startsWith("file:///") ? url.fileURLToPath(place) : decodeURI(place.slice("file://".length))

/**
 * Writes files into a folder, which is made where it is missing: all of them under temporary names, then each renamed.
 * What was there before stays until the new file is complete and flushed.
 */
export const writeFolder = (folder: string, files: AdapterFiles, unwanted: ReadonlyArray<string> = []): Promise<void> =>
  onDisk(folder, async ({ fs, path }, at) => {
    await fs.mkdir(at, { recursive: true })
    const names = Object.keys(files).map((name) => path.join(at, name))
    try {
      for (const [i, content] of Object.values(files).entries()) await writeNew(fs, temporaryName(names[i]!), content)
      for (const name of names) await fs.rename(temporaryName(name), name)
      for (const name of unwanted) await fs.rm(path.join(at, name), { force: true })
    } finally {
      for (const name of names) await fs.rm(temporaryName(name), { force: true })
    }
  })

const writeNew = async (fs: Disk["fs"], file: string, content: Uint8Array): Promise<void> => {
  // made anew: a link left under this name would be written through
  await fs.rm(file, { force: true })
  const handle = await fs.open(file, "wx")
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A file's bytes; of a folder, those of the file of this name in it. */
export const readFromFolder = (place: string, name: string): Promise<Uint8Array> =>
  onDisk(place, async ({ fs, path }, at) => {
    const found = await fs.stat(at).catch(() => undefined)
    if (found === undefined)
      throw new AdapterFileError({ source: place, problems: ["there is no such folder or file"] })
    const file = found.isDirectory() ? path.join(at, name) : at
    const own = await fs.stat(file).catch(() => undefined)
    if (own === undefined) throw new AdapterFileError({ source: place, problems: [`the folder has no ${name}`] })
    // opening a pipe waits for its writer
    if (!own.isFile()) throw new AdapterFileError({ source: file, problems: ["is no regular file"] })
    return new Uint8Array(await fs.readFile(file))
  })
