/** Trains one run at a time in a fiber that can be asked to stop; what it comes to is told. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Place, RunAsked, RunTold } from "./told.ts"
import { trainRun } from "./train-run.ts"
import type { World } from "./world.ts"

/** What someone is told who trains, and stops, a run. */
export interface Training {
  /** Lets it finish its step and save. */
  readonly stop: () => void
}

export type Train = (run: RunAsked, tell: (told: RunTold) => void) => Training

/** In this worker. */
export const trainingHere =
  (place: Place, world: Pick<World, "layer">): Train =>
  (run, tell) => {
    const fiber = Effect.runFork(Effect.provide(trainRun(run, place, tell), world.layer))
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return tell({ kind: "ended", message: null })
      const failed = exit.cause.reasons.find(Cause.isFailReason)
      if (failed === undefined) console.error(Cause.pretty(exit.cause))
      tell({
        kind: "ended",
        message:
          failed === undefined
            ? "something is wrong in tfjs-lora-pro itself; the browser's console says what"
            : failed.error.message
      })
    })
    return { stop: () => void Effect.runFork(Fiber.interrupt(fiber)) }
  }
