/**
 * What a run reads, by its content: a resumed run over other rows or other weights would be another run, and nothing else would show it.
 *
 *   { "model/config.json": "ab…", "model/model.safetensors": "cd…", "data.train": "ef…" }
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FileError, fileError } from "../files/index.ts"
import { partFiles } from "../models/gguf/split-files.ts"
import { weightFiles } from "../models/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"

/** SHA-256 of each file that a run reads: the model's, and the splits' by their plan field. */
export const Inputs = Schema.Record(Schema.String, Schema.String)
export type Inputs = typeof Inputs.Type

/** SHA-256 of the model's weights, config and tokenizer or topology, and of the files of the splits. */
export const inputsOf = ({
  plan,
  base
}: ResolvedPlan): Effect.Effect<Inputs, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const parts = yield* baseFiles(base, true)
    const { train, validation, test } = plan.data
    const splits = Object.entries({ train, validation, test }).filter(([, file]) => typeof file === "string")
    const files: ReadonlyArray<readonly [string, string]> = [
      ...parts.map(([name, file]) => [`model/${name}`, file] as const),
      ...splits.map(([split, file]) => [`data.${split}`, file as string] as const)
    ]
    const hash = (file: string) => sha256Of(file).pipe(Effect.mapError(fileError("read", file)))
    return Object.fromEntries(
      yield* Effect.forEach(files, ([name, file]) => Effect.map(hash(file), (sum) => [name, sum]))
    )
  })

/** A sentence for every input that is not what it was. */
export const inputDifferences = (trained: Inputs, now: Inputs): ReadonlyArray<string> =>
  [...new Set([...Object.keys(trained), ...Object.keys(now)])].flatMap((name) => {
    const [was, is] = [trained[name], now[name]]
    if (was === is) return []
    const short = (hash: string | undefined) => (hash === undefined ? "no such file" : `SHA-256 ${hash.slice(0, 12)}…`)
    return [`${name}: trained with ${short(was)}, now ${short(is)}`]
  })

/**
 * Which base an adapter belongs to: the folder (of a tf.LayersModel its model.json), and the SHA-256 of each of its weight files. An adapter
 * over other weights loads without complaint and answers nonsense; with this, `predict` and `evaluate` can tell.
 */
export interface BaseIdentity {
  readonly path: string
  readonly sha256: Readonly<Record<string, string>>
}

/** Files of a base by their names in reports. `whole`: with config, tokenizer and topology, not the weights alone. */
const baseFiles = (source: string, whole: boolean) =>
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
    // relative where possible: a report should not spell out someone's home folder
    const relative = path.relative(process.cwd(), source)
    return { path: relative.startsWith("..") ? source : relative || ".", sha256 }
  })

/** node:crypto's, which a bundle for a browser must not import: nothing is hashed there. */
export const createHash = (algorithm: "sha256") => process.getBuiltinModule("node:crypto").createHash(algorithm)

/** SHA-256 of a file, streamed, in lower-case hexadecimal. */
export const sha256Of = (file: string): Effect.Effect<string, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const hash = createHash("sha256")
    yield* Stream.runForEach(fs.stream(file), (bytes) => Effect.sync(() => void hash.update(bytes)))
    return hash.digest("hex")
  })
