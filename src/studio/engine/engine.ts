/** Everything that the engine answers, topic by topic. */
import { cellHandlers } from "./cells.ts"
import { deviceHandlers } from "./device.ts"
import { type EngineNeeds, handlersOf } from "./handlers.ts"
import { planHandlers } from "./plans.ts"

export const engineHandlers = handlersOf<EngineNeeds>(deviceHandlers, planHandlers, cellHandlers)
