/** Everything that the engine answers, topic by topic. */
import { askingHandlers } from "./asking.ts"
import { cellHandlers } from "./cells.ts"
import { deviceHandlers } from "./device.ts"
import { exitHandlers } from "./exits.ts"
import { type EngineNeeds, handlersOf } from "./handlers.ts"
import { modelHandlers } from "./models.ts"
import { outlineHandlers } from "./outline.ts"
import { planHandlers } from "./plans.ts"
import { rowsHandlers } from "./rows.ts"
import { writingHandlers } from "./writing.ts"

export const engineHandlers = handlersOf<EngineNeeds>(
  deviceHandlers,
  modelHandlers,
  rowsHandlers,
  planHandlers,
  outlineHandlers,
  cellHandlers,
  askingHandlers,
  writingHandlers,
  exitHandlers
)
