/** Where an export of a run goes. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

/** "exports/reviews-1-onnx-1": the first that is free. */
export const exportFolder = (
  id: string,
  format: string
): Effect.Effect<string, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const name = path.basename(id).replaceAll(/[^\w.-]+/g, "-")
    for (let n = 1; ; n++) {
      const folder = `exports/${name}-${format}-${n}`
      if (!(yield* fs.exists(folder).pipe(Effect.orElseSucceed(() => true)))) return folder
    }
  })
