/** A causal language model by the word that a plan or a command has for it. */
import * as Effect from "effect/Effect"
import { HubError } from "../hub/hub-error.ts"
import { resolveSource } from "../hub/resolve-source.ts"
import { ModelError } from "../model-error.ts"
import { describeCausal } from "./describe-causal.ts"
import { folderSource } from "./folder-source.ts"
import { type LoadCausalOptions, loadCausal } from "./load-causal.ts"

/** A Hugging Face folder, a .gguf file, or `hf:owner/name[/file.gguf][@revision]`, which is fetched into the Hub's cache once. Headers alone are read. */
export const openSource = (source: string) =>
  Effect.gen(function* () {
    const place = yield* resolveSource(source)
    if (!place.endsWith(".gguf")) return yield* folderSource(place)
    const { ggufSource } = yield* Effect.promise(() => import("../gguf/gguf-source.ts"))
    return yield* ggufSource(place)
  }).pipe(
    Effect.mapError((error) =>
      error instanceof HubError ? new ModelError({ folder: source, problems: [error.message] }) : error
    )
  )

/** Opens, describes and loads a model; its weights live as long as the scope. */
export const openCausalModel = (source: string, options: LoadCausalOptions = {}) =>
  Effect.gen(function* () {
    const opened = yield* openSource(source)
    return yield* loadCausal(opened, yield* describeCausal(opened), options)
  })
