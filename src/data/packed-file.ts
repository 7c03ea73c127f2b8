/**
 * Converts sequential bytes to a file with random access: the content of a .gz or .parquet file is written out
 * once, so that shuffled rows cost one small read each, memory use stays flat and the rest of the program handles one kind of file.
 * (An index into the compressed file would need the decompressor's state at every row, which DecompressionStream does not provide;
 * a row of a parquet file costs the decoding of its whole row group.)
 *
 * The file is in the system's folder for temporary files, until the scope closes; without a file system (a page) the bytes
 * are kept in memory.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { limit, messageOf, overLimit } from "../boundary/index.ts"
import { DataError, dataError } from "./data-error.ts"
import { type DataFile, fileOfBytes, openSystemFile, systemModules } from "./file.ts"

/** Writes the next bytes. */
export type Write = (bytes: Uint8Array) => Promise<void>

// A small file of identical rows compresses as well as a zip bomb, so a small size alone is no evidence.
const alwaysAllowed = 2 ** 26

/**
 * Counts the decompressed bytes of a file. Legitimate rows expand up to thirty times; files that expand a thousand times are attacks on disk
 * space or time.
 */
export const growth = ({ name, size }: Pick<DataFile, "name" | "size">): ((bytes: number) => void) => {
  let total = 0
  return (bytes) => {
    total += bytes
    if (total <= Math.max(alwaysAllowed, size * limit("unpacked-ratio"))) return
    throw dataError(name, `its contents are larger than the file by more than ${overLimit("unpacked-ratio")}`)
  }
}

type Produce = (write: Write, signal: AbortSignal) => Promise<void>

/**
 * Returns the output of `produce` as a file with the name of the compressed one, until the scope closes. A `DataError` of `produce`
 * is kept; `failed` converts any other failure.
 */
export const spilled = (
  packed: Pick<DataFile, "name" | "size">,
  produce: Produce,
  failed: (cause: unknown) => string
): Effect.Effect<DataFile, DataError, Scope.Scope> => {
  const { name } = packed
  const counted: Produce = (write, signal) => {
    const add = growth(packed)
    return produce((bytes) => {
      add(bytes.length)
      return write(bytes)
    }, signal)
  }
  const attempt = <A>(run: (signal: AbortSignal) => Promise<A>) =>
    Effect.tryPromise({
      try: run,
      catch: (cause) => (cause instanceof DataError ? cause : dataError(name, failed(cause)))
    })
  const system = systemModules()
  return system === undefined ? inMemory(name, counted, attempt) : onDisk(name, counted, attempt, system)
}

type Attempt = <A>(run: (signal: AbortSignal) => Promise<A>) => Effect.Effect<A, DataError>

const inMemory = (name: string, produce: Produce, attempt: Attempt) =>
  Effect.gen(function* () {
    const parts: Array<Uint8Array> = []
    yield* attempt((signal) =>
      produce(async (bytes) => {
        parts.push(bytes.slice())
      }, signal)
    )
    const bytes = new Uint8Array(parts.reduce((total, { length }) => total + length, 0))
    if (bytes.length === 0) return yield* dataError(name, nothing)
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    return fileOfBytes(name, bytes)
  })

const onDisk = (
  name: string,
  produce: Produce,
  attempt: Attempt,
  { fs, os, path }: NonNullable<ReturnType<typeof systemModules>>
) =>
  Effect.gen(function* () {
    const storing = async <A>(stored: Promise<A>): Promise<A> => {
      const problem = `cannot write its rows to the folder for temporary files, ${os.tmpdir()}`
      return stored.catch((cause) => Promise.reject(dataError(name, `${problem}: ${reasonOf(cause)}`)))
    }
    const remove = (folder: string) => Effect.ignore(attempt(() => fs.rm(folder, { recursive: true, force: true })))
    const folder = yield* Effect.acquireRelease(
      attempt(() => storing(fs.mkdtemp(path.join(os.tmpdir(), "tfjs-lora-pro-rows-")))),
      remove
    )
    const unpacked = path.join(folder, "rows")
    yield* attempt(async (signal) => {
      const handle = await storing(fs.open(unpacked, "w"))
      try {
        await produce(async (bytes) => {
          for (let at = 0; at < bytes.length; ) at += (await storing(handle.write(bytes, at))).bytesWritten
        }, signal)
        if ((await handle.stat()).size === 0) throw dataError(name, nothing)
      } finally {
        await handle.close()
      }
    })
    const file = yield* openSystemFile(unpacked)
    // if the system supports it, the open file is unlinked: then a killed process leaves no file
    yield* remove(folder)
    return { ...file, name }
  })

const reasonOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "ENOSPC") return "no space is left on the device; set TMPDIR to another folder"
  return messageOf(cause)
}

const nothing = "the file is empty; at least one row is needed"

export const chunkBytes = 1 << 20

/** Decompresses a file. */
export const unpacked = (packed: DataFile): Effect.Effect<DataFile, DataError, Scope.Scope> =>
  spilled(
    packed,
    async (write, signal) => {
      const reader = chunksOf(packed).pipeThrough(new DecompressionStream("gzip")).getReader()
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        signal.throwIfAborted()
        await write(next.value)
      }
    },
    (cause) => `cannot be unpacked as gzip: ${messageOf(cause)}`
  )

/** Streams the bytes of a file. */
export const chunksOf = (file: DataFile): ReadableStream<Uint8Array<ArrayBuffer>> => {
  let at = 0
  return new ReadableStream({
    pull: async (controller) => {
      const length = Math.min(chunkBytes, file.size - at)
      if (length === 0) return controller.close()
      controller.enqueue(new Uint8Array(await Effect.runPromise(file.read(at, length))))
      at += length
    }
  })
}
