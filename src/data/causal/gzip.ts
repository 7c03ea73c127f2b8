/** Files in gzip (RFC 1952): unpacked once, as they stream by. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DataError } from "../data-error.ts"
import type { DataFile } from "../data-file.ts"
import { spilled } from "./spill.ts"

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
