/** Runs a command's work on its device, and shows its progress. */
import * as Effect from "effect/Effect"
import { Device, type DeviceChoice } from "../device/index.ts"
import { Progress } from "../run/index.ts"
import { screen } from "./output.ts"
import { terminalListener } from "./terminal.ts"

export const onDevice =
  (device: DeviceChoice, threads: "auto" | number) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    work.pipe(
      Effect.scoped,
      Effect.provide(Device.layer(device, { threads })),
      Effect.provideService(Progress, terminalListener(screen))
    )
