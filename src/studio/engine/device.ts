/** What computes. */
import * as Effect from "effect/Effect"
import { Device } from "../../device/device.ts"
import type { EngineNeeds, Handlers } from "./handlers.ts"

export const deviceHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    device: () =>
      Effect.map(Device, (device) => {
        const { notice: _, backend, ...rest } = device.describe()
        const more = Object.entries(rest).filter(([, value]) => value !== undefined && typeof value !== "object")
        return [backend, ...more.map(([name, value]) => `${name} ${value}`)].join(", ")
      })
  }
}
