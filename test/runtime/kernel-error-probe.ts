/**
 * Run in a process of its own, by Bun or Deno: gives kernels of our own buffers that are too small for them, alone in a
 * submit and among others, and prints what the device says of each.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { read, write } from "../../src/kernels/declaration.ts"
import { webgpuEngineOf } from "../../src/kernels/webgpu/engine.ts"
import { program } from "../../src/kernels/webgpu/program.ts"

const kernel = (name: string, factor: number) =>
  program({
    name,
    buffers: { x: read("vec4f"), y: write("vec4f") },
    words: {},
    workgroup: 16,
    body: `fn kernel(group: u32, local: u32) { y[local] = ${factor.toFixed(1)} * x[local]; }`
  })
const [first, second] = [kernel("First", 2), kernel("Second", 3)]

const told = (provoke: (run: (program: typeof first, bytes: number) => void) => void) =>
  Effect.gen(function* () {
    const device = yield* Device
    const engine = webgpuEngineOf(tf.backend())!
    device.label("step 4")
    provoke((program, size) => {
      const y = { ...engine.scratch(64), size }
      engine.run(program, { x: tf.ones([64]), y }, {}, 1)
    })
    const { site, kernel, reason } = yield* Effect.flip(device.sync)
    yield* device.sync
    return { site, kernel, reason }
  })

await Effect.gen(function* () {
  const alone = yield* told((run) => run(second, 8))
  const among = yield* told((run) => {
    run(first, 256)
    run(second, 8)
  })
  console.log(JSON.stringify({ alone, among }))
}).pipe(Effect.provide(Device.layer("webgpu")), Effect.runPromise)
