/** Where a model lies that is named in a plan or on a command line. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Hub, isHubSource } from "../hub/hub.ts"
import { ModelError } from "./model.ts"

/**
 * Whether a folder without weights is described with the shapes that its config.json implies, which suffices to check a plan; loading still
 * fails. Default false.
 */
export const WeightlessFolders = Context.Reference<boolean>("tfjs-lora-pro/WeightlessFolders", {
  defaultValue: () => false
})

/**
 * Returns the local folder or file of a model. `hf:owner/name[@revision][/file.gguf]` is downloaded into the Hub cache once; any
 * other source is a path, which is returned unchanged.
 */
export const placeOf = (source: string): Placing =>
  Effect.flatMap(WeightlessFolders, (weightless) => placed(source, weightless ? "config" : "model"))

/** Returns the local folder of a PEFT adapter, as `placeOf` does for models. */
export const adapterPlaceOf = (source: string): Placing => placed(source, "adapter")

type Placing = Effect.Effect<string, ModelError, Hub>

const placed = (source: string, content: "model" | "config" | "adapter"): Placing =>
  Effect.flatMap(Hub, (hub) => (isHubSource(source) ? hub[content](source) : Effect.succeed(source))).pipe(
    Effect.catchTag("HubError", ({ problems }) => Effect.fail(new ModelError({ folder: source, problems })))
  )
