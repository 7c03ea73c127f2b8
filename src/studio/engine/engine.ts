/** Everything that the engine answers, topic by topic. */
import { deviceHandlers } from "./device.ts"
import { type EngineNeeds, handlersOf } from "./handlers.ts"
import { planHandlers } from "./plans.ts"

export const engineHandlers = handlersOf<EngineNeeds>(deviceHandlers, planHandlers)
