/** Gather, sums of segments and tables larger than a binding, on a GPU. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor1D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { guardBuffers } from "../../../../src/device/webgpu-memory.ts"
import { write } from "../../../../src/kernels/declaration.ts"
import { bindingLimitOf, TENSOR_USAGE, webgpuBackend } from "../../../../src/kernels/webgpu/backend.ts"
import { provideWebgpuEngine, type WebgpuEngine, webgpuEngineOf } from "../../../../src/kernels/webgpu/engine.ts"
import { program } from "../../../../src/kernels/webgpu/program.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectNoLeak } from "../../../setup.ts"
import { random, tensorOf } from "../../device/on-wasm.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { normals } from "../float64.ts"

/** Rows of a table on the host; NaN for an id that is no row. */
const rowsOf = (table: Float32Array, width: number, ids: ReadonlyArray<number>): ReadonlyArray<number> =>
  ids.flatMap((id) =>
    id < 0 || id >= table.length / width
      ? new Array<number>(width).fill(Number.NaN)
      : [...table.subarray(id * width, (id + 1) * width)]
  )

const int = (ids: ReadonlyArray<number>) => tf.tensor1d([...ids], "int32")

/** Runs `f` on a device that binds so few bytes of a tensor, and counts the programs that ran. */
const binding = <A>(limit: number, f: (ran: Map<string, number>) => Promise<A>): Promise<A> =>
  onWebgpu(async (engine) => {
    const backend = webgpuBackend(tf.backend())
    const { acquireBuffer } = backend.bufferManager
    const { tensorToBinding } = backend
    const before = bindingLimitOf(backend)
    const ran = new Map<string, number>()
    const run: WebgpuEngine["run"] = (own, ...given) => {
      ran.set(own.name, 1 + (ran.get(own.name) ?? 0))
      engine.run(own, ...given)
    }
    guardBuffers(backend, limit)
    provideWebgpuEngine(backend, { ...engine, run })
    try {
      return await f(ran)
    } finally {
      provideWebgpuEngine(backend, engine)
      guardBuffers(backend, before)
      Object.assign(backend.bufferManager, { acquireBuffer })
      Object.assign(backend, { tensorToBinding })
    }
  })

describe.skipIf(!webgpu.exists)("on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  describe("gather", () => {
    test("along the first axis, of ids of any shape", () =>
      onWebgpu(async () => {
        const values = normals(9 * 15, "table")
        const rows = tf.gather(tf.tensor3d(values, [9, 5, 3]), tf.tensor2d([0, 8, 3, 3, 1, 7], [2, 3], "int32"))
        expect<ReadonlyArray<number>>(rows.shape).toEqual([2, 3, 5, 3])
        expect([...(await rows.data())]).toEqual([...rowsOf(values, 15, [0, 8, 3, 3, 1, 7])])
      }))

    test("along another axis, of integers, of numbers alone, of nothing", async () => {
      const gathers = () => [
        tf.gather(tensorOf([9, 5, 3], random(10)), int([4, 0, 4]), 1),
        tf.gather(tf.tensor1d([4, 5, 6], "int32"), int([2, 0])),
        tf.gather(tf.tensor1d([4, 5, 6]), int([2, 0])),
        tf.gather(tensorOf([9, 5, 3], random(10)), int([]))
      ]
      const outcomes = () =>
        Promise.all(gathers().map(async (rows) => [rows.shape, rows.dtype, [...(await rows.data())]]))
      await onWebgpu(async () => {
        const actual = await outcomes()
        await tf.setBackend("cpu")
        expect(actual).toEqual(await outcomes())
        await tf.setBackend("webgpu")
      })
    })

    test("an id that is no row gives a row of NaN", () =>
      onWebgpu(async () => {
        for (const width of [3, 4]) {
          const values = normals(7 * width, "table")
          const ids = [6, 7, -1, 0, -(2 ** 31), 2 ** 31 - 1]
          const rows = await tf.gather(tf.tensor2d(values, [7, width]), int(ids)).data()
          expect([...rows]).toEqual([...rowsOf(values, width, ids)])
        }
      }))

    test("more workgroups than one dimension has", () =>
      onWebgpu(async () => {
        const values = normals(300 * 33, "table")
        const ids = Int32Array.from({ length: 130_000 }, (_, i) => (i * 7) % 300)
        const rows = await tf.gather(tf.tensor2d(values, [300, 33]), tf.tensor1d(ids, "int32")).data()
        expect(rows.findIndex((x, i) => x !== values[ids[Math.floor(i / 33)]! * 33 + (i % 33)])).toBe(-1)
      }))
  })

  describe("sums of segments", () => {
    const sumsOf = (x: Float32Array, width: number, ids: ArrayLike<number>, segments: number) => {
      const sums = new Float32Array(segments * width)
      for (let i = 0; i < ids.length; i++) {
        if (ids[i]! < 0 || ids[i]! >= segments) continue
        for (let j = 0; j < width; j++) sums[ids[i]! * width + j]! += x[i * width + j]!
      }
      return sums
    }
    const sizes = [
      [301, 325, 7],
      [40, 64, 500],
      [1, 1, 1],
      [9000, 3, 11]
    ] as const
    for (const [rows, width, segments] of [...sizes, ...sizes.toReversed()]) {
      test(`[${rows}, ${width}] in ${segments}: in the order of the rows, bit for bit`, () =>
        onWebgpu(async () => {
          const next = random(8)
          const ids = Int32Array.from({ length: rows }, (_, i) => (i % 11 === 10 ? -1 : Math.floor(next() * segments)))
          const x = normals(rows * width, "rows")
          const sums = tf.unsortedSegmentSum(tf.tensor2d(x, [rows, width]), tf.tensor1d(ids, "int32"), segments)
          expect(await sums.data()).toEqual(sumsOf(x, width, ids, segments))
        }))
    }

    test("rows whose id is no segment are dropped", () =>
      onWebgpu(async () => {
        const ids = [1, -1, 7, 2, -(2 ** 31), 2 ** 31 - 1]
        const sums = tf.unsortedSegmentSum(tf.ones([6, 2]), int(ids), 2)
        expect([...(await sums.data())]).toEqual([0, 0, 1, 1])
      }))

    test("what is not finite stays in its segment", () =>
      onWebgpu(async () => {
        const x = tf.tensor2d([1, Number.NaN, 2, 3, Number.POSITIVE_INFINITY, 4], [3, 2])
        const sums = await tf.unsortedSegmentSum(x, int([0, 1, 2]), 4).data()
        expect([...sums]).toEqual([1, Number.NaN, 2, 3, Number.POSITIVE_INFINITY, 4, 0, 0])
      }))

    test("integers, and sums of nothing", () =>
      onWebgpu(async () => {
        const sums = tf.unsortedSegmentSum(int([5, 6, 7]) as Tensor1D, int([1, 1, 4]), 2)
        expect([sums.dtype, ...(await sums.data())]).toEqual(["int32", 0, 11])
        const large = tf.unsortedSegmentSum(int([2 ** 30, 1]) as Tensor1D, int([0, 0]), 1)
        expect([...(await large.data())]).toEqual([2 ** 30 + 1])
        expect(await tf.unsortedSegmentSum(tf.zeros([0, 2]), int([]), 3).data()).toEqual(new Float32Array(6))
      }))

    test("more workgroups than one dimension has", () =>
      onWebgpu(async () => {
        const segments = 130_000
        const x = normals(3 * 33, "rows")
        const sums = await tf.unsortedSegmentSum(tf.tensor2d(x, [3, 33]), int([129_999, 5, 129_999]), segments).data()
        const expected = sumsOf(x, 33, [129_999, 5, 129_999], segments)
        expect(sums.findIndex((sum, i) => sum !== expected[i])).toBe(-1)
      }))

    // as the first row of a segment that has none: rows of others, no row
    for (const left of [0, 1, 2, 4, 5, 2 ** 32 - 1]) {
      test(`memory that holds ${left} changes nothing`, () =>
        onWebgpu(async (engine) => {
          const fill = program({
            name: "Leave",
            buffers: { to: write("u32") },
            words: { size: "u32", value: "u32" },
            workgroup: 1,
            body: "fn kernel(group: u32, local: u32) { to[group] = words.value; }"
          })
          const scratch: WebgpuEngine["scratch"] = (elements) => {
            const span = engine.scratch(elements)
            engine.run(fill, { to: span }, { size: elements, value: left }, elements)
            return span
          }
          const backend = tf.backend()
          provideWebgpuEngine(backend, { ...engine, scratch })
          const ids = [3, 0, 3, 3, 0]
          const x = normals(10, "rows")
          const sums = await tf.unsortedSegmentSum(tf.tensor2d(x, [5, 2]), int(ids), 6).data()
          provideWebgpuEngine(backend, engine)
          expect(sums).toEqual(sumsOf(x, 2, ids, 6))
        }))
    }
  })

  test("no leak", () =>
    onWebgpu(async () => {
      const [table, ids] = [tensorOf([9, 5], random(1)), int([1, 1, 4])]
      await expectNoLeak(() => tf.gather(table, ids).dispose())
      await expectNoLeak(() =>
        tf
          .grad((x) => tf.sum(tf.square(tf.gather(x, ids))))(table)
          .dispose()
      )
    }))

  describe("a table larger than a binding", () => {
    const [rows, limit] = [500, 16_384]
    // windows of 128, 64·n and 4·n rows
    for (const width of [33, 36, 48]) {
      test(`rows of ${width}: is read in windows`, () =>
        binding(limit, async (ran) => {
          const values = normals(rows * width, "table")
          const ids = Array.from({ length: 61 }, (_, i) => (i * 131) % rows).concat(-1, rows, rows - 1, 0)
          const table = tf.tensor2d(values, [rows, width])
          const found = tf.gather(table, int(ids))
          expect([...(await found.data())]).toEqual([...rowsOf(values, width, ids)])
          expect(ran.get("Gather")).toBeGreaterThanOrEqual(Math.ceil((rows * width * 4) / limit))
          // the whole of it can still be read back
          expect(await table.data()).toEqual(values)
        }))
    }

    test("is refused where tfjs's kernels or ours would bind all of it, and so are outputs of its size", () =>
      binding(limit, async () => {
        const table = tf.tensor2d(normals(rows * 33, "table"), [rows, 33])
        expect(() => tf.max(table)).toThrow(
          /66000 bytes .* at most 16384 \(maxStorageBufferBindingSize\).*--device wasm/
        )
        expect(() => tf.sum(table)).toThrow(/66000 bytes .* at most 16384 \(maxStorageBufferBindingSize\)/)
        expect(() => tf.tile(tf.ones([64, 33]), [2, 4])).toThrow(/maxStorageBufferBindingSize/)
        const engine = webgpuEngineOf(tf.backend())!
        expect(() => engine.output([limit])).toThrow(/maxStorageBufferBindingSize/)
        const most = engine.limits.maxBufferSize
        const { bufferManager } = webgpuBackend(tf.backend())
        expect(() => bufferManager.acquireBuffer(most + 4, TENSOR_USAGE(), true)).toThrow(/maxBufferSize/)
      }))

    test("of rows too wide for a window is refused", () =>
      binding(1024, async () => {
        const table = tf.tensor2d(normals(3 * 129, "table"), [3, 129])
        expect(() => tf.gather(table, int([1]))).toThrow("a row of 129 numbers does not fit in a window of 1024 bytes")
      }))
  })
})
