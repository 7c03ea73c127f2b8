/** The versions that computed a run: this package's, its compiled kernels', tfjs's, effect's, and the runtime's. */
import * as tf from "@tensorflow/tfjs-core"
import effectPackage from "effect/package.json" with { type: "json" }
import * as Schema from "effect/Schema"
import ownPackage from "../../package.json" with { type: "json" }
import { kernelsVersion } from "../kernels/index.ts"

/** Schema of the versions that a run was trained with, by name. */
export const Versions = Schema.Record(Schema.String, Schema.String)
export type Versions = typeof Versions.Type

/** Returns the versions of this package, its kernels (a hash), tfjs, effect and the runtime. */
export const versions = (): Versions => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  const runtime = (["bun", "deno", "node"] as const).find((name) => process?.versions?.[name] !== undefined)
  return {
    "tfjs-lora-pro": ownPackage.version,
    kernels: kernelsVersion,
    tfjs: tf.version_core,
    effect: effectPackage.version,
    ...(runtime === undefined ? {} : { [runtime]: process!.versions[runtime]! })
  }
}

/**
 * Returns a note if a run was trained with other versions. Returns an empty list for records without versions, or if only the runtime differs
 * (Bun and Deno): adapters are the same in all runtimes.
 */
export const versionsNote = (directory: string, trained: Versions = {}): ReadonlyArray<string> => {
  const now = versions()
  const changed = Object.entries(trained).filter(([name, version]) => ![version, undefined].includes(now[name]))
  if (changed.length === 0) return []
  const each = changed.map(([name, version]) => `${name} ${version}, now ${now[name]}`)
  return [`note: ${directory} was trained with ${each.join("; ")}: numbers may differ in their last digits`]
}
