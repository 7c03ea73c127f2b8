/**
 * Which base an adapter belongs to: the folder, and the SHA-256 of every weight file in it. An adapter over other weights loads
 * without complaint and answers nonsense; with this, `predict` and `evaluate` can tell.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type FileError, fileError } from "./atomic-file.ts"
import { sha256Of } from "./sha256.ts"

export interface BaseIdentity {
  readonly path: string
  readonly sha256: Readonly<Record<string, string>>
}

export const baseIdentity = (
  folder: string
): Effect.Effect<BaseIdentity, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = (yield* fs.readDirectory(folder)).filter((name) => name.endsWith(".safetensors")).sort()
    const sha256: Record<string, string> = {}
    for (const name of names) sha256[name] = yield* sha256Of(path.join(folder, name))
    // relative where that is shorter to say: a report should not spell out somebody's home folder
    const relative = path.relative(process.cwd(), folder)
    return { path: relative.startsWith("..") ? folder : relative || ".", sha256 }
  }).pipe(Effect.mapError(fileError("read", folder)))
