/** Plans: their JSON Schema, what is wrong with one, and what one would train. */
import * as Effect from "effect/Effect"
import { runPlanJsonSchema } from "../../../schemas/index.ts"
import type { EngineNeeds, Handlers } from "./handlers.ts"

export const planHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    schema: () => Effect.sync(() => runPlanJsonSchema())
  }
}
