/** Where a model lies that is named in a plan or on a command line. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { isHubSource } from "../hub/hub-address.ts"
import { ModelError } from "./model.ts"

/**
 * Whether a folder without weights is described as if they were there, with the shapes that its config.json says. A plan can be judged by
 * that; what loads weights fails all the same.
 */
export const WeightlessFolders = Context.Reference<boolean>("tfjs-lora-pro/WeightlessFolders", {
  defaultValue: () => false
})

/**
 * The folder or file of a model on this machine. `hf:owner/name[@revision][/file.gguf]` is fetched into the Hub's cache once; every
 * other source is a path already, and returned as it is.
 */
export const placeOf = (source: string): Placing =>
  Effect.flatMap(WeightlessFolders, (weightless) => found(source, weightless ? "resolveConfig" : "resolveSource"))

/** The same of an adapter of PEFT. */
export const adapterPlaceOf = (source: string): Placing => found(source, "resolveAdapter")

type Placing = Effect.Effect<string, ModelError, FileSystem.FileSystem | Path.Path>

const found = (source: string, resolving: "resolveSource" | "resolveConfig" | "resolveAdapter"): Placing =>
  Effect.gen(function* () {
    if (!isHubSource(source)) return source
    // loaded where it is needed: most models are on the disk
    const hub = yield* Effect.promise(() => import("../hub/index.ts"))
    return yield* hub[resolving](source)
  }).pipe(Effect.catchTag("HubError", ({ problems }) => Effect.fail(new ModelError({ folder: source, problems }))))
