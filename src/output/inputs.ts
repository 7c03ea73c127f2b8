/**
 * What a run reads, by content: a resumed run over other rows or other weights would be another run, and nothing would show it.
 *
 *   { "model/config.json": "ab…", "model/model.safetensors": "cd…", "data.train": "ef…" }
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { type FileError, fileError } from "../files/index.ts"
import type { ResolvedPlan } from "../plan/resolved.ts"
import { baseFiles } from "./base-identity.ts"
import type { Inputs } from "./checkpoint-record.ts"
import { sha256Of } from "./sha256.ts"

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
