/** The patched matrix product against float64 and against tfjs' own kernel, over all transposes and batch ranks. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { wasmBackend } from "../../../src/kernels/wasm/backend.ts"
import { expectClose, expectNoLeak } from "../../setup.ts"
import { onWasm, random, tensorOf } from "./on-wasm.ts"

/** float32 sums of at most 400 products of numbers below 1: the rounding errors of one product, a few dozen times over */
const PRODUCT = 3e-6

const size = (shape: ReadonlyArray<number>) => shape.reduce((product, n) => product * n, 1)
const swapLast = (shape: ReadonlyArray<number>) => [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!]

/** op(a)·op(b) in float64. `outer`: the equal batch dimensions. */
const reference = async (a: tf.Tensor, b: tf.Tensor, tA: boolean, tB: boolean, [m, k, n]: Array<number>) => {
  const [x, y] = [await a.data(), await b.data()]
  const out = new Float64Array((size(a.shape) / (m! * k!)) * m! * n!)
  for (let at = 0; at < out.length; at++) {
    const batch = Math.floor(at / (m! * n!))
    const [i, j] = [Math.floor(at / n!) % m!, at % n!]
    let sum = 0
    for (let p = 0; p < k!; p++) {
      sum += x[batch * m! * k! + (tA ? p * m! + i : i * k! + p)]! * y[batch * k! * n! + (tB ? j * k! + p : p * n! + j)]!
    }
    out[at] = sum
  }
  return out
}

/** tfjs' fused kernel is the same C++ as its stock product and is not replaced. */
const stock = (a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean) =>
  tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, transposeA, transposeB })

/**
 * Chosen so that every way is taken: whole tiles and edges in every direction, inner dimensions that are no multiple of four, panels
 * of fewer columns, more than one block of rows and more than one chunk, vectors.
 */
const SIZES = [
  [1, 1, 1],
  [3, 5, 7],
  [33, 17, 65],
  [8, 100, 130],
  [130, 100, 8],
  [1, 40, 70],
  [70, 40, 1],
  [31, 400, 29],
  [101, 258, 98]
]
const OUTER = [[], [1], [5], [2, 3]]

describe("matMul on wasm", () => {
  for (const outer of OUTER) {
    for (const [tA, tB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true]
    ] as const) {
      test(`batch [${outer}], transposeA ${tA}, transposeB ${tB}`, () =>
        onWasm(async () => {
          const next = random(1)
          for (const [m, k, n] of SIZES as Array<[number, number, number]>) {
            const [straightA, straightB] = [
              [...outer, m, k],
              [...outer, k, n]
            ]
            const a = tensorOf(tA ? swapLast(straightA) : straightA, next)
            const b = tensorOf(tB ? swapLast(straightB) : straightB, next)
            const product = tf.matMul(a, b, tA, tB)
            expect(product.shape).toEqual([...outer, m, n])
            expectClose(await product.data(), await reference(a, b, tA, tB, [m, k, n]), PRODUCT)
            expectClose(await product.data(), await stock(a, b, tA, tB).data(), PRODUCT)
          }
        }))
    }
  }

  test("batch dimensions that broadcast go to tfjs' kernel", () =>
    onWasm(async () => {
      const next = random(2)
      const [a, b] = [tensorOf([4, 40, 30], next), tensorOf([1, 30, 20], next)]
      const each = tf.concat(tf.unstack(a).map((matrix) => tf.matMul(matrix, tf.squeeze(b, [0])).expandDims(0)))
      expectClose(await tf.matMul(a, b).data(), await each.data(), PRODUCT)
      expectClose(await tf.matMul(a, tf.squeeze(b, [0])).data(), await each.data(), PRODUCT)
    }))

  test("a reused buffer is not taken for the matrix that lay there before", () =>
    onWasm(async () => {
      const next = random(3)
      const a = tensorOf([6, 20, 30], next)
      for (let i = 0; i < 20; i++) {
        const b = tensorOf([6, 30, 25], next)
        const product = tf.matMul(a, b)
        expectClose(await product.data(), await reference(a, b, false, false, [20, 30, 25]), PRODUCT)
        tf.dispose([b, product])
      }
    }))

  test("gradients of all forms equal those of the cpu backend", async () => {
    const next = random(4)
    const values = [tensorOf([3, 20, 30], next), tensorOf([3, 20, 40], next)]
    const numbers = await Promise.all(values.map((tensor) => tensor.data()))
    const gradients = async () => {
      const [a, b] = [tf.tensor(numbers[0]!, [3, 20, 30]), tf.tensor(numbers[1]!, [3, 20, 40])]
      const grads = tf.grads((x, y) => tf.square(tf.matMul(x!, y!, true, false)).sum())([a, b])
      return Promise.all(grads.map((g) => g.data()))
    }
    const cpu = await gradients()
    const wasm = await onWasm(gradients)
    expectClose(wasm[0]!, cpu[0]!, PRODUCT)
    expectClose(wasm[1]!, cpu[1]!, PRODUCT)
  })

  test("leaves nothing behind", () =>
    onWasm(async () => {
      const next = random(5)
      const [a, b] = [tensorOf([4, 30, 40], next), tensorOf([4, 50, 40], next)]
      const products = () => {
        tf.matMul(a, b, false, true).dispose()
        tf.matMul(a, a, true, false).dispose()
        tf.matMul(b, a, false, true).dispose()
      }
      products() // emscripten replaces its exports at their first call, and the threads' scratch stays
      const { wasm } = wasmBackend(tf.backend())
      const [malloc, free] = [wasm._malloc, wasm._free]
      const blocks = new Map<number, number>()
      wasm._malloc = (bytes) => {
        const offset = malloc(bytes)
        blocks.set(offset, bytes)
        return offset
      }
      wasm._free = (offset) => {
        blocks.delete(offset)
        free(offset)
      }
      await expectNoLeak(() => {
        for (let i = 0; i < 50; i++) products()
      })
      expect([...blocks.values()]).toEqual([])
    }))

  test("the wrong shape is refused with tfjs' message", () =>
    onWasm(() => {
      expect(() => tf.matMul(tf.zeros([2, 3]), tf.zeros([4, 5]))).toThrow(/inner shapes/)
    }))
})
