/** How kinds whose adapters PEFT reads begin with one from elsewhere; loaded when there is one. */
import * as Effect from "effect/Effect"
import type { StoredAdapted } from "../../output/peft/layout.ts"
import type { PeftAdapter } from "../../peft/index.ts"

export const begin = (adapted: StoredAdapted, source: PeftAdapter) =>
  Effect.flatMap(
    Effect.promise(() => import("../../output/peft/start-from.ts")),
    ({ startFrom }) => startFrom(adapted, source)
  )
