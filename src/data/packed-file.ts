/**
 * Bytes that come in order become a file that is read by position: what is packed in a .gz or .parquet file is written out
 * once, so that shuffled rows cost one small read each, memory stays flat and the rest of the program has one kind of file.
 * (An index into the packed file would need the decompressor's state at every row, which DecompressionStream does not give;
 * a row of a parquet file costs the decoding of its whole row group.)
 *
 * The file is the system's, in its folder for temporary files, and goes with the scope; without a system (a page) the bytes
 * are kept in memory.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { limit, messageOf, overLimit } from "../boundary/index.ts"
import { DataError, dataError } from "./data-error.ts"
import { type DataFile, fileOfBytes, openSystemFile, systemModules } from "./file.ts"

/** Takes the next bytes. */
export type Write = (bytes: Uint8Array) => Promise<void>

// A file of a few rows that are all alike packs as well as one that is made to fill a disk, so its size alone says nothing.
const alwaysAllowed = 2 ** 26

/**
 * Counts what becomes of a packed file. Honest rows become up to thirty times as many bytes; what becomes a thousand times as many is
 * made to fill a disk, or to take hours.
 */
export const growth = ({ name, size }: Pick<DataFile, "name" | "size">): ((bytes: number) => void) => {
  let total = 0
  return (bytes) => {
    total += bytes
    if (total <= Math.max(alwaysAllowed, size * limit("unpacked-ratio"))) return
    throw dataError(name, `what is packed in it exceeds the file by more than ${overLimit("unpacked-ratio")}`)
  }
}

type Produce = (write: Write, signal: AbortSignal) => Promise<void>

/**
 * What `produce` writes of a packed file, as a file of that name until the scope closes. A failure of `produce` that is a
 * `DataError` stays one, any other is reported as `failed` words it.
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
      const what = `its rows are written to the folder for temporary files, ${os.tmpdir()}, which fails`
      return stored.catch((cause) => Promise.reject(dataError(name, `${what}: ${reasonOf(cause)}`)))
    }
    const remove = (folder: string) => Effect.ignore(attempt(() => fs.rm(folder, { recursive: true, force: true })))
    const folder = yield* Effect.acquireRelease(
      attempt(() => storing(fs.mkdtemp(path.join(os.tmpdir(), "tfjs-lora-pro-rows-")))),
      remove
    )
    const written = path.join(folder, "rows")
    yield* attempt(async (signal) => {
      const handle = await storing(fs.open(written, "w"))
      try {
        await produce(async (bytes) => {
          for (let at = 0; at < bytes.length; ) at += (await storing(handle.write(bytes, at))).bytesWritten
        }, signal)
        if ((await handle.stat()).size === 0) throw dataError(name, nothing)
      } finally {
        await handle.close()
      }
    })
    const file = yield* openSystemFile(written)
    // where a system allows it, an open file outlives its name: then a killed process leaves no file
    yield* remove(folder)
    return { ...file, name }
  })

const reasonOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "ENOSPC") return "no space is left on the device; TMPDIR may name another folder"
  return messageOf(cause)
}

const nothing = "the file holds no bytes; at least one row is needed"

export const chunkBytes = 1 << 20

/** What is packed in a file. */
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

/** The bytes of a file in order. */
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
