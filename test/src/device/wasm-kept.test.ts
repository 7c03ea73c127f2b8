/** keepTransposed: the same products, after everything that may happen to a weight. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type WasmBackend, wasmBackend } from "../../../src/device/wasm-backend.ts"
import { keepTransposed, keptTranspose } from "../../../src/device/wasm-kept.ts"
import { expectNoLeak } from "../../setup.ts"
import { onWasm, random, tensorOf } from "./on-wasm.ts"

const backend = (): WasmBackend => wasmBackend(tf.backend())
const weight = (next: () => number) => tensorOf([70, 50], next) as tf.Tensor2D

test("x·Wᵀ is the same bits with the hint, also when the freed memory is written over", () =>
  onWasm(async () => {
    const next = random(1)
    const [x, W] = [tensorOf([40, 50], next), weight(next)]
    const plain = await tf.matMul(x, W, false, true).data()
    keepTransposed(W)
    keepTransposed(W)
    expect(keptTranspose(backend(), W)).toBeDefined()
    const dirt = Array.from({ length: 40 }, () => tf.fill([70, 50], 99))
    expect(await tf.matMul(x, W, false, true).data()).toEqual(plain)
    expect(await tf.matMul(tf.transpose(x), W, true, true).data()).toEqual(plain)
    tf.dispose(dirt)
  }))

test("the untransposed product and reshaped views of W are not affected", () =>
  onWasm(async () => {
    const next = random(2)
    const [dY, W] = [tensorOf([40, 70], next), weight(next)]
    const [plain, view] = [
      await tf.matMul(dY, W).data(),
      await tf.matMul(dY, tf.reshape(W, [50, 70]), false, true).data()
    ]
    keepTransposed(W)
    expect(await tf.matMul(dY, W).data()).toEqual(plain)
    expect(await tf.matMul(dY, tf.reshape(W, [50, 70]), false, true).data()).toEqual(view)
  }))

test("the packing lives as long as the last clone of W", () =>
  onWasm(() => {
    const W = weight(random(3))
    const clone = W.clone()
    keepTransposed(W)
    W.dispose()
    expect(keptTranspose(backend(), clone)).toBeDefined()
    const info = { ...clone, dataId: clone.dataId, shape: clone.shape, dtype: clone.dtype }
    clone.dispose()
    expect(keptTranspose(backend(), info)).toBeUndefined()
  }))

test("keeps no tensor, and no memory of disposed weights", () =>
  onWasm(async () => {
    const next = random(4)
    const x = tensorOf([8, 400], next)
    const round = () => {
      const W = tensorOf([500, 400], next) as tf.Tensor2D
      keepTransposed(W)
      tf.matMul(x, W, false, true).dispose()
      W.dispose()
    }
    round()
    const heap = backend().wasm.HEAPU8.length
    await expectNoLeak(() => {
      for (let i = 0; i < 200; i++) round() // 0.8 MB each: 160 MB if they stayed
    })
    expect(backend().wasm.HEAPU8.length - heap).toBeLessThan(20e6)
  }))

test("does nothing on another backend", () => {
  const W = tf.zeros([3, 2]) as tf.Tensor2D
  keepTransposed(W)
  expect(W.shape).toEqual([3, 2])
})
