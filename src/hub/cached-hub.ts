/** The Hub over the cache that Hugging Face's tools share. The code for downloads and uploads is loaded on first use. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Files } from "../files/index.ts"
import { Hub, type HubShape } from "./hub.ts"

const resolving = Effect.promise(() => import("./resolve-source.ts"))

/** A layer that provides the Hub to programs with access to files. */
export const cachedHub: Layer.Layer<Hub, never, Files> = Layer.effect(
  Hub,
  Effect.gen(function* () {
    const provideFiles = Effect.provideContext(yield* Effect.context<Files>())
    const hub: HubShape = {
      model: Effect.fn("Hub.model")(
        (source) => Effect.flatMap(resolving, (by) => by.resolveSource(source)),
        provideFiles
      ),
      config: Effect.fn("Hub.config")(
        (source) => Effect.flatMap(resolving, (by) => by.resolveConfig(source)),
        provideFiles
      ),
      adapter: Effect.fn("Hub.adapter")(
        (source) => Effect.flatMap(resolving, (by) => by.resolveAdapter(source)),
        provideFiles
      ),
      dataset: Effect.fn("Hub.dataset")(function* (source, split) {
        const { datasetFiles } = yield* Effect.promise(() => import("./datasets.ts"))
        return yield* datasetFiles(source, split)
      }, provideFiles),
      upload: Effect.fn("Hub.upload")(function* (commit, tell) {
        const { upload } = yield* Effect.promise(() => import("./upload.ts"))
        return yield* upload(commit, tell)
      }, provideFiles)
    }
    return hub
  })
)
