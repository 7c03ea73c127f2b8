/** Answers the requests of the studio that need files and a device alone: in a child process of its server, in a worker of a page. */

import * as Effect from "effect/Effect"
import { counted } from "../../boundary/index.ts"
import { Device } from "../../device/device.ts"
import { askingHandlers } from "./asking.ts"
import { cellHandlers } from "./cells.ts"
import { exitHandlers } from "./exits.ts"
import { type EngineNeeds, type Handlers, handlersOf } from "./handlers.ts"
import { modelHandlers } from "./models.ts"
import { outlineHandlers } from "./outline.ts"
import { planHandlers } from "./plans.ts"
import { rowsHandlers } from "./rows.ts"
import { writingHandlers } from "./writing.ts"

export { type Answering, answer, answering, events, problemIn, telling } from "./answering.ts"
export { ComesWith, type EngineNeeds, type Handlers, handlersOf, type Reported } from "./handlers.ts"

/** "2 threads", "simd", "avx512" */
const factText = (name: string, value: unknown): string => {
  if (typeof value === "number") return counted(value, name.replace(/s$/, ""))
  return typeof value === "boolean" ? `${value ? "" : "no "}${name}` : `${value}`
}

/** The device, for people: "native, 2 threads, simd, avx512" */
const deviceHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    device: () =>
      Effect.map(Device, (device) => {
        const { notice: _, backend, ...rest } = device.describe()
        const more = Object.entries(rest).filter(([, value]) => value !== undefined && typeof value !== "object")
        return [backend, ...more.map(([name, value]) => factText(name, value))].join(", ")
      })
  }
}

/** Everything that the engine answers, topic by topic. */
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
