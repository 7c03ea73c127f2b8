/**
 * Trains a plan on WebGPU and destroys the device when a step is reported, as a driver that resets would.
 *
 *   bun lost-device.ts PLAN FOLDER STEP
 *
 * Prints { tag, message, notices } of what came of it on stdout.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress, type ProgressEvent } from "../../src/run/index.ts"
import { train } from "../../src/train.ts"

const [file, directory, step] = process.argv.slice(2) as [string, string, string]
const notices: Array<string> = []
const listener = (event: ProgressEvent) =>
  Effect.sync(() => {
    if (event.kind === "notice") notices.push(event.message)
    if (event.kind === "step" && event.step === Number(step)) webgpuBackend(tf.backend()).device.destroy()
  })

const result = await Effect.gen(function* () {
  const { plan, name } = yield* readPlan(file)
  return yield* train(yield* resolve(plan, name), { directory })
}).pipe(
  Effect.scoped,
  Effect.provideService(Progress, listener),
  Effect.provide(Device.layer("webgpu")),
  Effect.provide(platform),
  Effect.match({
    onSuccess: () => ({ tag: "Success", message: "" }),
    onFailure: ({ _tag, message }) => ({ tag: _tag, message })
  }),
  Effect.runPromise
)
console.log(JSON.stringify({ ...result, notices }))
process.exit(0)
