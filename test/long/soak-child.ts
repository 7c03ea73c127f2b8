/** A long run in a process of its own: `bun soak-child.ts PLAN RUN`. Prints a JSON line of memory every 50 steps. */

import { heapStats } from "bun:jsc"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress, type ProgressEvent } from "../../src/run/index.ts"
import { train } from "../../src/train.ts"

export interface Sample {
  readonly step: number
  /** Bytes of JavaScript's heap after a full collection, with the array buffers and the like that its objects hold. */
  readonly heap: number
  /** Bytes of the process in memory. */
  readonly resident: number
  readonly tensors: number
  readonly buffers: number
}

const sample = (step: number): Sample => {
  Bun.gc(true)
  const { numTensors, numDataBuffers } = tf.memory()
  return {
    step,
    heap: heapStats().heapSize,
    resident: process.memoryUsage().rss,
    tensors: numTensors,
    buffers: numDataBuffers
  }
}

const beingWritten = (checkpoints: string): boolean =>
  existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.includes(".tmp-"))

/** Looks at step 25, 75, …, when the checkpoint of 25 steps before is whole. */
const listener = (directory: string) => (event: ProgressEvent) =>
  Effect.gen(function* () {
    if (event.kind !== "step" || event.step % 50 !== 25) return
    do yield* Effect.sleep("20 millis")
    while (beingWritten(join(directory, "checkpoints")))
    console.log(JSON.stringify(sample(event.step)))
  })

if (import.meta.main) {
  const [file, directory] = process.argv.slice(2) as [string, string]
  await Effect.gen(function* () {
    const { plan, name } = yield* readPlan(file)
    const resolved = yield* resolve(plan, name)
    yield* train(resolved, { directory })
  }).pipe(
    Effect.scoped,
    Effect.provideService(Progress, listener(directory)),
    Effect.provide(Device.layer("wasm", { threads: 1 })),
    Effect.provide(platform),
    Effect.runPromise
  )
}
