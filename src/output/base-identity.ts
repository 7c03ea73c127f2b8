/**
 * Which base an adapter belongs to: the folder (of a tf.LayersModel its model.json), and the SHA-256 of every weight file of it. An adapter over other weights loads
 * without complaint and answers nonsense; with this, `predict` and `evaluate` can tell.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type FileError, fileError } from "../files/index.ts"
import { partFiles } from "../models/gguf/split-files.ts"
import { weightFiles } from "../models/index.ts"
import { sha256Of } from "./sha256.ts"

export interface BaseIdentity {
  readonly path: string
  readonly sha256: Readonly<Record<string, string>>
}

/** Files of a base by the names that reports call them. `whole`: config, tokenizer and topology too, not the weights alone. */
export const baseFiles = (source: string, whole: boolean) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (source.endsWith(".json")) {
      const files = [...(whole ? [source] : []), ...(yield* weightFiles(source))]
      return files.map((file) => [path.basename(file), file] as const)
    }
    if (source.endsWith(".gguf")) {
      return (partFiles(source) ?? [source]).map((file) => [path.basename(file), file] as const)
    }
    const wanted = whole ? /\.safetensors$|^config\.json$|^tokenizer\.json$/ : /\.safetensors$/
    const names = (yield* fs.readDirectory(source)).filter((name) => wanted.test(name)).sort()
    return names.map((name) => [name, path.join(source, name)] as const)
  }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("read", source)(error))))

export const baseIdentity = (
  source: string
): Effect.Effect<BaseIdentity, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const sha256: Record<string, string> = {}
    for (const [name, file] of yield* baseFiles(source, false)) {
      sha256[name] = yield* sha256Of(file).pipe(Effect.mapError(fileError("read", file)))
    }
    // relative where that is shorter to say: a report should not spell out somebody's home folder
    const relative = path.relative(process.cwd(), source)
    return { path: relative.startsWith("..") ? source : relative || ".", sha256 }
  })
