/** Reads image files. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { limit, overLimit, wholeNumber } from "../boundary/index.ts"
import { platformReason, readExactly, statRegular } from "../files/index.ts"
import { refusedAt } from "./decode.ts"
import { parsedHeader } from "./header.ts"
import { ImageError, type ImageHeader } from "./image.ts"
import { CutShort } from "./refused.ts"

/** Calls `use` with an open file and its size in bytes. */
const opened = <A>(
  file: string,
  where: string,
  use: (handle: FileSystem.File, size: number) => Effect.Effect<A, ImageError | PlatformError>
): Effect.Effect<A, ImageError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { size } = yield* statRegular(file)
    if (size > limit("image-file-bytes")) {
      const reason = `is too large: ${wholeNumber(size)} bytes, more than ${overLimit("image-file-bytes")}`
      return yield* new ImageError({ where, reason })
    }
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.open(file), Number(size))
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      FileError: ({ reason }) => Effect.fail(new ImageError({ where, reason: `cannot be read: ${reason}` })),
      PlatformError: (error) =>
        Effect.fail(new ImageError({ where, reason: `cannot be read: ${platformReason(error)}` }))
    })
  )

/** Reads the bytes of an image file. */
export const imageBytes = (file: string, where: string): Effect.Effect<Uint8Array, ImageError, FileSystem.FileSystem> =>
  opened(file, where, (handle, size) => readExactly(handle, 0, size))

/** Most headers fit into these bytes; some come after colour profiles and previews. */
const FIRST_BYTES = 2 ** 16

/** Reads the header of an image file, and only as many bytes as that requires. */
export const imageHeader = (
  file: string,
  where: string
): Effect.Effect<ImageHeader, ImageError, FileSystem.FileSystem> =>
  opened(file, where, (handle, size) => {
    const within = (bytes: number): Effect.Effect<ImageHeader, ImageError | PlatformError> =>
      Effect.flatMap(readExactly(handle, 0, Math.min(bytes, size)), (start) => {
        try {
          return Effect.succeed(parsedHeader(start))
        } catch (error) {
          return error instanceof CutShort && bytes < size ? within(bytes * 8) : Effect.fail(refusedAt(where)(error))
        }
      })
    return within(FIRST_BYTES)
  })
