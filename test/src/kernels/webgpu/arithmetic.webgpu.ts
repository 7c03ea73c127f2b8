/** tfjs' arithmetic by our programs on a GPU: every way of repeating numbers, against float64; what is not of that form goes to tfjs' own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { combined } from "../../../../src/kernels/combination.ts"
import { webgpuBackend } from "../../../../src/kernels/webgpu/backend.ts"
import type { WebgpuEngine } from "../../../../src/kernels/webgpu/engine.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose, expectNoLeak } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"

/** Over max|y|: WGSL lets a quotient and a root err by 2.5 units in the last place. */
const BOUND = 3e-7

type Shape = ReadonlyArray<number>

const sizeOf = (shape: Shape) => shape.reduce((size, n) => size * n, 1)

/** On the GPU, where a step's tensors are. */
const onGpu = (shape: Shape, of: (i: number) => number): tf.Tensor => {
  const x = tf.tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => of(i)),
    [...shape]
  )
  webgpuBackend(tf.backend()).uploadToGPU(x.dataId)
  return x
}

/** What number i of a tensor of this shape is where it is repeated in another. */
const indexIn = (own: Shape, shape: Shape, i: number): number => {
  let [rest, at, stride] = [i, 0, 1]
  for (let axis = 1; axis <= shape.length; axis++) {
    const [n, length] = [shape.at(-axis)!, own.at(-axis) ?? 1]
    at += length === 1 ? 0 : (rest % n) * stride
    stride *= length
    rest = Math.floor(rest / n)
  }
  return at
}

/** The programs that ran, by name. */
const programsOf = async (engine: WebgpuEngine, f: () => unknown): Promise<ReadonlyArray<string>> => {
  const own = engine as { run: WebgpuEngine["run"] }
  const { run } = own
  const names: Array<string> = []
  own.run = (program, ...rest) => {
    names.push(program.name)
    run(program, ...rest)
  }
  try {
    await f()
  } finally {
    own.run = run
  }
  return names
}

describe.skipIf(!webgpu.exists)("arithmetic on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  const operations = [
    ["Add", tf.add, (a: number, b: number) => a + b],
    ["RealDiv", tf.div, (a: number, b: number) => a / b]
  ] as const
  const pairs: ReadonlyArray<readonly [a: Shape, b: Shape, ours: boolean]> = [
    [[3, 5, 4], [3, 5, 4], true],
    [[3, 5, 3], [3, 5, 3], true],
    [[3, 5, 4], [5, 4], true],
    [[5, 4], [3, 5, 4], true],
    [[3, 5, 4], [4], true],
    [[3, 5, 4], [], true],
    [[], [3, 5], true],
    [[3, 5], [3, 1], true],
    [[3, 5, 4], [1, 5, 1], true],
    [[3, 1], [1, 5], true],
    [[70, 130], [130], true],
    [[3, 5, 4], [3, 1, 4], false]
  ]
  for (const [name, op, exact] of operations)
    for (const [a, b, ours] of pairs)
      test(`${name} of [${a}] and [${b}]${ours ? "" : ", by tfjs"}`, () =>
        onWebgpu(async (engine) => {
          const [of, by] = [(i: number) => 1 / (1 + i), (i: number) => 1 - i / 1000]
          const [x, y] = [onGpu(a, of), onGpu(b, by)]
          const [left, right] = [await x.data(), await y.data()]
          let found: tf.Tensor | undefined
          const ran = await programsOf(engine, () => {
            found = op(x, y)
          })
          expect(ran).toEqual(ours ? [name] : [])
          const expected = Array.from({ length: found!.size }, (_, i) =>
            exact(left[indexIn(a, found!.shape, i)]!, right[indexIn(b, found!.shape, i)]!)
          )
          expectClose(await found!.data(), expected, BOUND)
          tf.dispose([x, y, found!])
        }))

  test("roots and ones", () =>
    onWebgpu(async (engine) => {
      for (const shape of [[], [7], [4, 3]]) {
        const x = onGpu(shape, (i) => i + 2)
        let found: ReadonlyArray<tf.Tensor> = []
        const ran = await programsOf(engine, () => {
          found = [tf.sqrt(x), tf.onesLike(x)]
        })
        expect(ran).toEqual(["Sqrt", "OnesLike"])
        expectClose(await found[0]!.data(), Array.from(await x.data(), Math.sqrt), BOUND)
        expect(await found[1]!.data()).toEqual(new Float32Array(sizeOf(shape)).fill(1))
        tf.dispose([x, ...found])
      }
    }))

  test("rows of a tensor, also of one that shares its buffer; other slices by tfjs", () =>
    onWebgpu(async (engine) => {
      const shape = [7, 3, 2]
      const x = onGpu(shape, (i) => i + 1)
      const values = await x.data()
      const other = onGpu([5], () => 1)
      const pair = combined(1, [other, x], 0, [other, x])
      const cut = async (of: tf.Tensor, begin: Array<number>, size: Array<number>) => {
        let slice: tf.Tensor | undefined
        const ran = await programsOf(engine, () => {
          slice = tf.slice(of, begin, size)
        })
        return { ran, shape: slice!.shape, values: await slice!.data() }
      }
      const rows = await cut(x, [2, 0, 0], [3, -1, 2])
      expect(rows).toEqual({ ran: ["Slice"], shape: [3, 3, 2], values: values.slice(12, 30) })
      const columns = await cut(x, [0, 1, 0], [7, 1, 2])
      expect(columns.ran).toEqual([])
      expect(columns.values).toEqual(values.filter((_, i) => Math.floor(i / 2) % 3 === 1))
      expect(await cut(pair[1]!, [1, 0, 0], [2, 3, 2])).toEqual({
        ran: ["Slice"],
        shape: [2, 3, 2],
        values: values.slice(6, 18)
      })
      expect(await tf.slice(x, [3, 0, 0], [0, 3, 2]).data()).toHaveLength(0)
      expect(() => tf.slice(x, [6, 0, 0], [2, 3, 2])).toThrow()
    }))

  test("integers, nothing, and numbers of the host are tfjs' own", () =>
    onWebgpu(async (engine) => {
      const integers = tf.abs(tf.tensor1d([4, -6, 8], "int32"))
      const ran = await programsOf(engine, async () => {
        expect(await tf.add(integers, integers).data()).toEqual(Int32Array.of(8, 12, 16))
        expect(await tf.add(tf.zeros([0, 3]), tf.zeros([1, 3])).data()).toHaveLength(0)
        expect(await tf.add(tf.tensor1d([1, 2]), 1).data()).toEqual(Float32Array.of(2, 3))
      })
      expect(ran).toEqual([])
    }))

  test("nothing is left behind", () =>
    onWebgpu(() =>
      expectNoLeak(() =>
        tf.tidy(() => {
          const x = onGpu([4, 3], (i) => i + 1)
          void tf.sqrt(tf.div(tf.add(x, tf.slice(x, [1, 0], [1, 3])), tf.onesLike(x)))
        })
      )
    ))
})
