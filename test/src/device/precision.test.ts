/** `training.precision: "bfloat16"`: the description of a device that computes so, and devices that cannot. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { layer } from "../../../src/device/bun.ts"
import { Device } from "../../../src/device/device.ts"
import type { DeviceChoice } from "../../../src/device/index.ts"
import { nativeLibrary } from "../../../src/device/native.ts"
import { bfloat16On, inBfloat16 } from "../../../src/device/precision.ts"
import { frozenLinear } from "../../../src/kernels/dense-linear.ts"

const instructions = await Effect.runPromise(bfloat16On({ native: nativeLibrary }))

/** Before, during and after a program in bfloat16: the description, and a product of 1 + 2⁻⁹ with 1. */
const seen = (choice: DeviceChoice) =>
  Effect.gen(function* () {
    const now = Effect.flatMap(Device, ({ describe }) =>
      Effect.promise(async () => {
        const y = frozenLinear(tf.tensor2d([[1 + 2 ** -9]]), tf.tensor2d([[1]]), null)
        return [describe().products, (await y.data())[0]]
      })
    )
    return [yield* now, yield* inBfloat16(now), yield* now]
  }).pipe(Effect.provide(layer(choice, { threads: 1 })))

test.skipIf(instructions.length === 0)("native says by which instructions, as long as a run asks for it", async () => {
  const float32 = [undefined, 1 + 2 ** -9]
  expect(await Effect.runPromise(seen("native"))).toEqual([float32, [`bfloat16 (${instructions[0]})`, 1], float32])
})

test.each(["wasm", "cpu"] as const)("%s has none", async (choice) => {
  const { message } = await Effect.runPromise(Effect.flip(seen(choice) as Effect.Effect<unknown, Error>))
  expect(message).toBe(
    `${choice}: training.precision: bfloat16 needs the native device on a processor with AMX, AVX512-BF16 or, on arm64, BF16 instructions; set training.precision to "float32", or train on such a processor`
  )
})

test("without a native library there are none", async () => {
  expect(await Effect.runPromise(bfloat16On({ native: Effect.fail(undefined as never) }))).toEqual([])
})
