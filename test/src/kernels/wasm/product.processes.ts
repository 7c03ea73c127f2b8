/** Products of parts of matrices, as kernels ask for them, against float64; tfjs's own products are tested with the device. */
import { describe, expect, test } from "bun:test"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import { libraryFile } from "../../../../src/kernels/native/library.ts"
import { NATIVE_CUTS } from "../../../../src/kernels/native/product-cuts.ts"
import { type WasmEngine, wasmEngineOf } from "../../../../src/kernels/wasm/engine.ts"
import { multiply, type Product } from "../../../../src/kernels/wasm/product.ts"
import { WASM_CUTS } from "../../../../src/kernels/wasm/product-cuts.ts"
import { type PackedHostMatrix, type Packing, packMatrix } from "../../../../src/numbers/index.ts"
import { hasNative } from "../../../runtime/runtimes.ts"
import { expectClose } from "../../../setup.ts"
import { onWasm, random } from "../../device/on-wasm.ts"

/** float32 sums of a few hundred products of numbers below 1 */
const PRODUCT = 3e-6

interface Shape {
  readonly kind: Product["kind"]
  readonly m: number
  readonly n: number
  readonly k: number
  readonly k2: number
  readonly start: "zero" | "there" | "bias"
  readonly scale?: number
  /** floats of a row beyond the matrix, so that it is a part of a wider one */
  readonly beside: number
  readonly outer: number
  readonly inner: number
}

interface Filled {
  readonly tensor: tf.Tensor
  readonly values: Float32Array
}

const filled = (size: number, next: () => number): Filled => {
  const values = Float32Array.from({ length: size }, () => 2 * next() - 1)
  return { tensor: tf.tensor1d(values), values }
}

const stored = ({ kind, m, n, k }: Shape) => ({
  a: kind === "tn" ? [k, m] : [m, k],
  b: kind === "nt" ? [n, k] : [k, n]
})

/** Runs one product on the engine; answers with C and with what float64 makes of it. */
const both = async (shape: Shape, next: () => number) => {
  const { kind, m, n, k, k2, start, scale = 1, beside, outer, inner } = shape
  const engine = wasmEngineOf(tf.backend()) as WasmEngine
  const { a, b } = stored(shape)
  const [lda, ldb, ldc] = [a[1]! + beside, b[1]! + beside, n + beside]
  const matrices = outer * inner
  const sizes = { a: a[0]! * lda, b: b[0]! * ldb, c: m * ldc }
  const [A, B, C] = [sizes.a, sizes.b, sizes.c].map((size) => filled(size * matrices, next)) as [Filled, Filled, Filled]
  const [A2, B2] = [filled(Math.max(1, m * k2), next), filled(Math.max(1, n * k2), next)]
  const bias = filled(n, next)
  const before = C.values.slice()
  // inner matrices lie `outer` matrices apart, outer ones side by side: both strides are used
  const strides = (size: number): readonly [number, number] => [size, size * outer]
  const address = (it: Filled) => engine.address(it.tensor)
  multiply(engine, {
    kind,
    m,
    n,
    k,
    a: { address: address(A), stride: lda },
    b: { address: address(B), stride: ldb },
    c: { address: address(C), stride: ldc },
    start: start === "bias" ? { bias: bias.tensor } : start,
    scale,
    ...(k2 === 0
      ? {}
      : {
          second: {
            a: { address: address(A2), stride: k2 },
            b: { address: address(B2), stride: kind === "nt" ? k2 : n },
            k: k2
          }
        }),
    batch: { outer, inner, a: strides(sizes.a), b: strides(sizes.b), c: strides(sizes.c) }
  })
  const expected = Float64Array.from(before)
  for (let matrix = 0; matrix < matrices; matrix++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const at = matrix * sizes.c + i * ldc + j
        let sum = start === "zero" ? 0 : start === "there" ? before[at]! : bias.values[j]!
        for (let p = 0; p < k; p++) {
          const x = A.values[matrix * sizes.a + (kind === "tn" ? p * lda + i : i * lda + p)]!
          sum += x * B.values[matrix * sizes.b + (kind === "nt" ? j * ldb + p : p * ldb + j)]!
        }
        for (let p = 0; p < k2; p++) sum += A2.values[i * k2 + p]! * B2.values[kind === "nt" ? j * k2 + p : p * n + j]!
        expected[at] = scale * sum
      }
    }
  }
  return { actual: await C.tensor.data(), expected }
}

const SIZES = [
  [1, 1, 1],
  [1, 37, 30],
  [1, 130, 300],
  [3, 12, 4],
  [7, 5, 9],
  [50, 37, 30],
  [2, 130, 300],
  [130, 26, 515]
] as const

describe("product on the wasm engine", () => {
  for (const kind of ["nt", "nn", "tn"] as const) {
    for (const start of ["zero", "there", "bias"] as const) {
      test(`${kind}, from ${start}, of parts of wider matrices, one and a batch`, () =>
        onWasm(async () => {
          const next = random(7)
          for (const [m, n, k] of SIZES) {
            for (const [outer, inner] of [
              [1, 1],
              [2, 3]
            ] as const) {
              const { actual, expected } = await both({ kind, m, n, k, k2: 0, start, beside: 5, outer, inner }, next)
              expectClose(actual, expected, PRODUCT)
            }
          }
        }))
    }
  }

  for (const kind of ["nt", "nn", "tn"] as const) {
    test(`${kind} with a factor, of its own part alone, which no other start and no second pair may have`, () =>
      onWasm(async () => {
        const next = random(6)
        const shape = { kind, k2: 0, start: "zero", scale: -1.75, beside: 5, outer: 2, inner: 3 } as const
        for (const [m, n, k] of SIZES) {
          const { actual, expected } = await both({ ...shape, m, n, k }, next)
          expectClose(actual, expected, PRODUCT)
        }
        const small = { ...shape, m: 2, n: 3, k: 4 }
        for (const other of [{ start: "there" }, { start: "bias" }, { k2: 2 }] as const)
          await expect(both({ ...small, ...other }, next)).rejects.toThrow("a scale needs a start at zero")
      }))
  }

  for (const kind of ["nt", "nn"] as const) {
    test(`${kind} with a second pair of any inner dimension`, () =>
      onWasm(async () => {
        const next = random(8)
        for (const k2 of [1, 2, 3, 4, 8, 13, 64]) {
          for (const [m, n, k] of SIZES) {
            const shape = { kind, m, n, k, k2, start: "bias", beside: 0, outer: 1, inner: 1 } as const
            const { actual, expected } = await both(shape, next)
            expectClose(actual, expected, PRODUCT)
          }
        }
      }))
  }

  for (const native of hasNative ? [undefined, fileURLToPath(libraryFile())] : [undefined]) {
    test(`a row alone has the same bits on one thread, two and three${native === undefined ? "" : ", in machine code"}`, async () => {
      // more columns than threads divide, and chunks that end within four of them
      const [n, k] = [1027, 576]
      const next = random(10)
      const [a, b] = [filled(k, next).values, filled(n * k, next).values]
      for (const packing of ["f32", "f16", "int8", "q4", "q8"] as ReadonlyArray<"f32" | Packing>) {
        const packed = packing === "f32" ? undefined : (packMatrix(packing, b, [n, k]) as PackedHostMatrix)
        const words = packed === undefined ? b : new Float32Array(packed.words.buffer)
        const onThreads = (threads: number) =>
          onWasm(
            async () => {
              const engine = wasmEngineOf(tf.backend()) as WasmEngine
              expect(engine.threads).toBe(threads)
              const [A, B, C] = [tf.tensor1d(a), tf.tensor1d(words), tf.zeros([n])]
              const scales = packed?.scales == null ? undefined : tf.tensor1d(packed.scales)
              multiply(engine, {
                ...{ kind: "nt", m: 1, n, k },
                a: { address: engine.address(A), stride: k },
                b: { address: engine.address(B), stride: words.length / n },
                c: { address: engine.address(C), stride: n },
                packed: packing === "f32" ? undefined : { packing, scales }
              })
              return C.data()
            },
            { threads, ...(native === undefined ? {} : { native }) }
          )
        const alone = await onThreads(1)
        expect(await onThreads(2)).toEqual(alone)
        expect(await onThreads(3)).toEqual(alone)
      }
    })
  }

  test("a row alone is cut into a share for each thread, and into a few where the shares are large", () => {
    const chunks = (n: number, k: number, threads: number) =>
      [WASM_CUTS, NATIVE_CUTS].map((cuts) => Math.ceil(n / cuts.chunk({ kind: "nt", m: 1, n, k }, 1, threads)[1]))
    expect(chunks(576, 1536, 1)).toEqual([1, 1])
    expect(chunks(576, 1536, 2)).toEqual([2, 2])
    expect(chunks(576, 1536, 8)).toEqual([8, 8])
    // 2²¹ multiplications at most
    expect(chunks(49_152, 576, 2)).toEqual([14, 14])
    // what is small has no other thread to wait for
    expect(chunks(64, 64, 8)).toEqual([1, 1])
  })

  test.skipIf(!hasNative)("in machine code, products have the same bits on one thread, two and three", async () => {
    const [m, n, k] = [130, 700, 515]
    const next = random(11)
    const [a, b] = [filled(m * k, next).values, filled(n * k, next).values]
    for (const [turnsA, turnsB] of [
      [false, true],
      [false, false],
      [true, false]
    ] as const) {
      const onThreads = (threads: number) =>
        onWasm(
          () => {
            const A = tf.tensor2d(a, turnsA ? [k, m] : [m, k])
            const B = tf.tensor2d(b, turnsB ? [n, k] : [k, n])
            return tf.matMul(A, B, turnsA, turnsB).data()
          },
          { threads, native: fileURLToPath(libraryFile()) }
        )
      const alone = await onThreads(1)
      expect(await onThreads(2)).toEqual(alone)
      expect(await onThreads(3)).toEqual(alone)
    }
  })

  test("in machine code, each thread has its share of the columns, and a chunk panels that stay in a cache", () => {
    const cut = (m: number, n: number, threads: number) => NATIVE_CUTS.chunk({ kind: "nt", m, n, k: 384 }, 1, threads)
    expect(cut(128, 384, 1)).toEqual([132, 128])
    expect(cut(128, 384, 2)).toEqual([132, 96])
    expect(cut(128, 384, 8)).toEqual([132, 64])
    // rows are shared already
    expect(cut(1024, 384, 2)).toEqual([516, 128])
    // what is small has no other thread to wait for
    expect(cut(12, 40, 8)).toEqual([12, 64])
  })

  // a single row has a way of its own, whose sums are of other lanes
  test("two rows alone have the bits that they have among others", () =>
    onWasm(async () => {
      const next = random(9)
      const [n, k] = [23, 61]
      const [rows, weight] = [
        tf.tensor2d(filled(4 * k, next).values, [4, k]),
        tf.tensor2d(filled(n * k, next).values, [n, k])
      ]
      const whole = await tf.matMul(rows, weight, false, true).data()
      for (let i = 0; i < 3; i++) {
        const alone = tf.matMul(tf.slice(rows, [i, 0], [2, k]), weight, false, true)
        expect(await alone.data()).toEqual(whole.slice(i * n, (i + 2) * n) as Float32Array)
      }
    }))

  test("not a number and infinity reach the elements that depend on them, and no others", () =>
    onWasm(async () => {
      for (const kind of ["nt", "nn", "tn"] as const) {
        const [m, n, k] = [7, 14, 6]
        const [rows, columns] = [kind === "tn" ? [k, m] : [m, k], kind === "nt" ? [n, k] : [k, n]]
        const a = tf.buffer(rows as [number, number], "float32", new Float32Array(m * k).fill(1))
        // row 3 of op(A), and column 13 of op(B), which lies in a panel's edge
        a.set(Number.NaN, ...((kind === "tn" ? [2, 3] : [3, 2]) as [number, number]))
        const b = tf.buffer(columns as [number, number], "float32", new Float32Array(n * k).fill(1))
        b.set(Number.POSITIVE_INFINITY, ...((kind === "nt" ? [13, 1] : [1, 13]) as [number, number]))
        const out = (await tf.matMul(a.toTensor(), b.toTensor(), kind === "tn", kind === "nt").array()) as number[][]
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            expect(out[i]![j]).toBe(i === 3 ? Number.NaN : j === 13 ? Number.POSITIVE_INFINITY : k)
          }
        }
      }
    }))
})
