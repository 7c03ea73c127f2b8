/** A backend is opened once in a process, however many use it, and is gone with the last of them. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { onWasm } from "./on-wasm.ts"

test("a device that is opened within another is the same one, and stays until the other ends", async () => {
  await tf.setBackend("cpu")
  await onWasm(async () => {
    const x = tf.tensor1d([1, 2, 3])
    const outer = tf.backend()
    expect(await onWasm(() => tf.backend() === outer)).toBe(true)
    expect([tf.getBackend(), tf.backend() === outer]).toEqual(["wasm", true])
    expect([...(await tf.square(x).data())]).toEqual([1, 4, 9])
  })
  expect(tf.getBackend()).toBe("cpu")
  const first = await onWasm(() => tf.backend())
  expect(await onWasm(() => tf.backend() === first)).toBe(false)
})
