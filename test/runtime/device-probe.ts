/**
 * Run in a process of its own, by Bun or Deno: opens the device of argument 1 through the layer, prints its description and
 * what a softmax over a gathered product gives forward and backward, and leaves the end of the process to the event loop.
 */
import process from "node:process"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Device, type DeviceChoice } from "../../src/device/index.ts"
import { random, tensorOf } from "../src/device/on-wasm.ts"

const program = Effect.gen(function* () {
  const device = yield* Device
  device.label("probe")
  const next = random(1)
  const ids = tf.tensor1d([1, 3, 5, 3], "int32")
  const f = (a: tf.Tensor, b: tf.Tensor): tf.Scalar => tf.sum(tf.square(tf.softmax(tf.gather(tf.matMul(a, b), ids))))
  const { value, grads } = tf.valueAndGrads(f as () => tf.Scalar)([tensorOf([20, 48], next), tensorOf([48, 32], next)])
  const numbers: Array<number> = []
  for (const tensor of [value, ...grads]) numbers.push(...(yield* Effect.promise(() => tensor.data())))
  yield* device.sync
  console.log(JSON.stringify({ description: device.describe(), peak: device.peakBytes(), numbers }))
})

await Effect.runPromise(program.pipe(Effect.provide(Device.layer(process.argv[2] as DeviceChoice, { threads: 2 }))))
