/** Which versions computed a run: this package's, tfjs's, effect's, and the runtime's. */
import * as tf from "@tensorflow/tfjs-core"
import effectPackage from "effect/package.json" with { type: "json" }
import ownPackage from "../../package.json" with { type: "json" }

export const versions = (): Readonly<Record<string, string>> => {
  const runtime = (["bun", "deno", "node"] as const).find((name) => process.versions[name] !== undefined)
  return {
    "tfjs-lora-pro": ownPackage.version,
    tfjs: tf.version_core,
    effect: effectPackage.version,
    ...(runtime === undefined ? {} : { [runtime]: process.versions[runtime]! })
  }
}
