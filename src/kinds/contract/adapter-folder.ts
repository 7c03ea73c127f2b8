/** Saves runs with PEFT adapters to a folder, restores them, and starts runs from adapters of other programs. */
import * as Effect from "effect/Effect"
import { restoreAdapter, saveAdapter } from "../../output/adapter-folder.ts"
import type { StoredAdapted } from "../../output/peft/layout.ts"
import type { PeftAdapter } from "../../peft/index.ts"

/** Members of a `Runner` that saves its adapter in PEFT's format. */
export const adapterFolder = {
  save: (adapted: StoredAdapted, resolved: Parameters<typeof saveAdapter>[1], folder: string) =>
    saveAdapter(adapted, resolved, folder),
  restore: (adapted: StoredAdapted, _: unknown, folder: string) => restoreAdapter(adapted, folder),
  // loaded on demand
  begin: (adapted: StoredAdapted, source: PeftAdapter) =>
    Effect.flatMap(
      Effect.promise(() => import("../../output/peft/start-from.ts")),
      ({ startFrom }) => startFrom(adapted, source)
    )
}
