/** The built page: the files of one folder, by the names that are in it when the studio opens. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png"
}

/** Names with a hash of the content in them never change. */
const FOREVER = "public, max-age=31536000, immutable"

export const pageFiles = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return (name: string): Effect.Effect<Response | undefined> =>
      Effect.gen(function* () {
        const type = types[path.extname(name)]
        const file = path.resolve(folder, name)
        if (type === undefined || !file.startsWith(`${path.resolve(folder)}${path.sep}`)) return undefined
        const bytes = yield* fs.readFile(file)
        const hashed = name.startsWith("assets/")
        return new Response(bytes as Uint8Array<ArrayBuffer>, {
          headers: { "content-type": type, "cache-control": hashed ? FOREVER : "no-cache" }
        })
      }).pipe(Effect.orElseSucceed(() => undefined))
  })
