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
import { DataError, dataError } from "./data-error.ts"
import { type DataFile, fileOfBytes, openSystemFile, systemModules } from "./file.ts"

/** Takes the next bytes. */
export type Write = (bytes: Uint8Array) => Promise<void>

type Produce = (write: Write, signal: AbortSignal) => Promise<void>

/**
 * What `produce` writes, as a file until the scope closes. `name` is what messages call it; a failure of `produce` that is
 * a `DataError` stays one, any other is reported as `failed` words it.
 */
export const spilled = (
  name: string,
  produce: Produce,
  failed: (cause: unknown) => string
): Effect.Effect<DataFile, DataError, Scope.Scope> => {
  const attempt = <A>(run: (signal: AbortSignal) => Promise<A>) =>
    Effect.tryPromise({
      try: run,
      catch: (cause) => (cause instanceof DataError ? cause : dataError(name, failed(cause)))
    })
  const system = systemModules()
  return system === undefined ? inMemory(name, produce, attempt) : onDisk(name, produce, attempt, system)
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
      const what = `what is packed in it is written to the folder for temporary files, ${os.tmpdir()}, which fails`
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
  return cause instanceof Error ? cause.message : String(cause)
}

const nothing = "the file holds no bytes; at least one row is needed"

const chunkBytes = 1 << 20

/** What is packed in a file. */
export const unpacked = (packed: DataFile): Effect.Effect<DataFile, DataError, Scope.Scope> =>
  spilled(
    packed.name,
    async (write, signal) => {
      const reader = chunksOf(packed).pipeThrough(new DecompressionStream("gzip")).getReader()
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        signal.throwIfAborted()
        await write(next.value)
      }
    },
    (cause) => `cannot be unpacked as gzip: ${cause instanceof Error ? cause.message : String(cause)}`
  )

const chunksOf = (file: DataFile): ReadableStream<Uint8Array<ArrayBuffer>> => {
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
