/** `train` in this process on wasm, interrupted at an exact moment as a signal interrupts it, and with it several runs a second. */
import { expect } from "bun:test"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Device } from "../../src/device/index.ts"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress, type ProgressEvent } from "../../src/run/index.ts"
import { train } from "../../src/train.ts"
import type { Workspace } from "./fixtures.ts"

export interface InProcess {
  readonly directory?: string
  readonly resume?: string
  readonly threads?: number
  /** interrupts once this is heard */
  readonly until?: (event: ProgressEvent) => boolean
}

/** `train` in this process on wasm; a fiber is interrupted as a signal interrupts it. What it said. */
export const trainHere = (w: Workspace, plan: string, { directory, resume: from, threads = 1, until }: InProcess) =>
  Effect.gen(function* () {
    const notices: Array<string> = []
    let heard: (() => void) | undefined
    const moment = new Promise<void>((done) => (heard = done))
    const listener = (event: ProgressEvent) =>
      Effect.gen(function* () {
        if (event.kind === "notice") notices.push(event.message)
        if (until?.(event) !== true) return
        heard?.()
        // the interruption arrives here, in the middle of whatever tells
        yield* Effect.sleep(1)
      })
    const file = from === undefined ? plan : `${from}/plan.json`
    const run = Effect.gen(function* () {
      const { plan, name } = yield* readPlan(w.path(file))
      const resolved = yield* resolve(plan, from === undefined ? name : basename(from))
      return yield* train(resolved, {
        ...(directory === undefined ? {} : { directory: w.path(directory) }),
        ...(from === undefined ? {} : { resume: w.path(from) })
      })
    }).pipe(
      Effect.scoped,
      Effect.provideService(Progress, listener),
      Effect.provide(Device.layer("wasm", { threads })),
      Effect.provide(platform)
    )
    const fiber = yield* Effect.forkChild(run)
    if (until !== undefined) {
      yield* Effect.promise(() => moment)
      yield* Fiber.interrupt(fiber)
    }
    const exit = yield* Fiber.await(fiber)
    return { exit, notices }
  }).pipe(Effect.runPromise)

/** Trains to the end. */
export const complete = async (w: Workspace, plan: string, directory: string, options: InProcess = {}) => {
  const { exit } = await trainHere(w, plan, { directory, ...options })
  expect(exit._tag).toBe("Success")
}

/** The moment when a step is reported. */
export const atStep = (step: number) => (event: ProgressEvent) => event.kind === "step" && event.step === step
