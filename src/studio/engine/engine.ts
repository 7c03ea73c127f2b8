/** Everything that the engine answers, topic by topic. */
import { cellHandlers } from "./cells.ts"
import { deviceHandlers } from "./device.ts"
import { type EngineNeeds, handlersOf } from "./handlers.ts"
import { modelHandlers } from "./models.ts"
import { planHandlers } from "./plans.ts"
import { rowsHandlers } from "./rows.ts"

export const engineHandlers = handlersOf<EngineNeeds>(
  deviceHandlers,
  modelHandlers,
  rowsHandlers,
  planHandlers,
  cellHandlers
)
