/** Adam, combinations and norms of lists on the GPU: the reference's numbers, one dispatch, no copies in a chain of them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { adamMoves, ratesAt } from "../../../../src/kernels/adam.ts"
import { combined, scaled } from "../../../../src/kernels/combination.ts"
import { squaredNorms } from "../../../../src/kernels/squared-norms.ts"
import { provideWebgpuEngine, type WebgpuEngine } from "../../../../src/kernels/webgpu/engine.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectNoLeak } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { adamEquations } from "../adam-equations.ts"
import { normals } from "../float64.ts"

type Shapes = ReadonlyArray<ReadonlyArray<number>>

/** Scalars, odd lengths, several blocks of a norm with a rest, exactly one block, many tensors. */
const lists: ReadonlyArray<Shapes> = [
  [[], [1], [3], [64], [65], [2, 3, 3]],
  [
    [129, 255],
    [7, 3],
    [16384, 1],
    [16387, 2]
  ],
  Array.from({ length: 301 }, (_, i) => [1 + (i % 9), 2])
]

const sizeOf = (shape: ReadonlyArray<number>) => shape.reduce((size, n) => size * n, 1)
const hostOf = (shapes: Shapes, name: string) => shapes.map((shape, i) => normals(sizeOf(shape), `${name}${i}`))
const tensorsOf = (shapes: Shapes, name: string): ReadonlyArray<Tensor> =>
  hostOf(shapes, name).map((values, i) => tf.tensor(values, [...shapes[i]!]))
const values = (tensors: ReadonlyArray<Tensor>) => Promise.all(tensors.map((tensor) => tensor.data<"float32">()))

/** Largest difference over the largest number: division and root may be off by a few units in the last place of a float32. */
const BOUND = 1e-6
const expectClose = async (actual: ReadonlyArray<Tensor>, expected: ReadonlyArray<Tensor>) => {
  expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape))
  const [found, wanted] = [await values(actual), await values(expected)]
  for (const [i, want] of wanted.entries()) {
    const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    const error = want.reduce((most, x, j) => Math.max(most, Math.abs(x - found[i]![j]!)), 0)
    expect(error).toBeLessThanOrEqual(BOUND * scale)
  }
}

/** Names of the programs that `f` runs, in order, and how often tensors had to be copied together. */
const recorded = (engine: WebgpuEngine, f: () => void) => {
  const names: Array<string> = []
  const run: WebgpuEngine["run"] = (program, ...given) => {
    names.push(program.name)
    engine.run(program, ...given)
  }
  const moved: Array<boolean> = []
  const together: WebgpuEngine["together"] = (tensors) => {
    const arena = engine.together(tensors)
    moved.push(tensors.length > 0 && arena.span.buffer !== engine.together(tensors.slice(0, 1)).span.buffer)
    return arena
  }
  provideWebgpuEngine(tf.backend(), { ...engine, run, together })
  tf.tidy(f)
  provideWebgpuEngine(tf.backend(), engine)
  return { names, copies: moved.filter(Boolean).length }
}

describe.skipIf(!webgpu.exists)("lists on the GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  for (const shapes of [...lists, ...lists.toReversed()]) {
    test(`${shapes.length} tensors: Adam`, () =>
      onWebgpu(async () => {
        const rates = ratesAt({ b1: 0.9, b2: 0.999, eps: 1e-8 }, 3)
        const [g, M] = [tensorsOf(shapes, "g"), tensorsOf(shapes, "first")]
        const V = tensorsOf(shapes, "second").map((v) => tf.square(v))
        const moved = adamMoves(g, M, V, rates)
        const expected = g.map((one, i) => adamEquations(one, M[i]!, V[i]!, rates))
        for (const key of ["u", "first", "second"] as const)
          await expectClose(
            moved.map((one) => one[key]),
            expected.map((one) => one[key])
          )
      }))

    test(`${shapes.length} tensors: combinations`, () =>
      onWebgpu(async () => {
        const [x, y] = [tensorsOf(shapes, "x"), tensorsOf(shapes, "y")]
        const sums = x.map((one, i) => tf.add(tf.mul(one, 0.7), tf.mul(y[i]!, -1e-3)))
        await expectClose(combined(0.7, x, -1e-3, y), sums)
        const third = x.map((one) => tf.mul(one, 1 / 3))
        await expectClose(scaled(1 / 3, x), third)
        await expectClose(scaled(tf.scalar(1 / 3), x), third)
      }))

    test(`${shapes.length} tensors: norms`, () =>
      onWebgpu(async () => {
        const found = await squaredNorms(tensorsOf(shapes, "x")).data()
        for (const [i, host] of hostOf(shapes, "x").entries()) {
          const exact = host.reduce((sum, x) => sum + x * x, 0)
          expect(Math.abs(found[i]! / exact - 1)).toBeLessThan(BOUND)
        }
      }))
  }

  test("one dispatch for a list, and a chain copies its first list alone", () =>
    onWebgpu((engine) => {
      const shapes = lists[2]!
      const [g, zero] = [tensorsOf(shapes, "g"), shapes.map((shape) => tf.zeros([...shape]))]
      const first = adamMoves(g, zero, zero, { b1: 0.9, b2: 0.9, c: 1, e: 1 })
      const { names, copies } = recorded(engine, () => {
        const moved = adamMoves(
          g,
          first.map((one) => one.first),
          first.map((one) => one.second),
          { b1: 0.9, b2: 0.9, c: 1, e: 1 }
        )
        const u = moved.map((one) => one.u)
        combined(1, combined(1, u, 0.1, u), 1, scaled(-1, u))
        squaredNorms(u)
      })
      expect(names).toEqual(["Adam", "Combination", "Multiple", "Combination", "SquaredNorms"])
      expect(copies).toBe(1)
    }))

  test("NaN and ∞ stay where they are", () =>
    onWebgpu(async () => {
      const bad = [Number.NaN, Number.POSITIVE_INFINITY, 1e30].map((x) => tf.tensor1d([1, 2, 3, 4, x]))
      const norms = await squaredNorms([tf.ones([3]), ...bad, tf.ones([2])]).data()
      expect(Array.from(norms)).toEqual([3, Number.NaN, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2])
      const [sum] = combined(0, [tf.tensor1d([1, Number.NaN, Number.POSITIVE_INFINITY])], 1, [tf.ones([3])])
      expect(Array.from(await sum!.data())).toEqual([1, Number.NaN, Number.NaN])
    }))

  test("nothing is left behind, of tensors or of the GPU's memory", async () => {
    const bytes = () => onWebgpu(() => (tf.memory() as unknown as { numBytesInGPU: number }).numBytesInGPU)
    const before = await bytes()
    await onWebgpu(async () => {
      const x = tensorsOf(lists[1]!, "x")
      await expectNoLeak(() => {
        const moved = adamMoves(x, x, x, { b1: 0.9, b2: 0.9, c: 1, e: 1 })
        tf.dispose([...moved.flatMap(({ u, first, second }) => [u, first, second]), squaredNorms(x)])
        tf.dispose([...combined(1, x, 1, x)])
      })
      tf.dispose([...x])
    })
    expect(await bytes()).toBe(before)
  })

  test("more than the device binds is several dispatches with the same numbers", () =>
    onWebgpu(async (engine) => {
      const [shapes, size] = [lists[2]!, 4 * 64 * 100]
      const x = tensorsOf(shapes, "x")
      const whole = await values(combined(2, x, 1, x))
      const norms = await squaredNorms(x).data()
      const mostNumbers = size / 4
      const { names } = recorded({ ...engine, mostNumbers }, () => combined(2, x, 1, x))
      expect(names.length).toBeGreaterThan(2)
      provideWebgpuEngine(tf.backend(), { ...engine, mostNumbers })
      expect(await values(combined(2, x, 1, x))).toEqual(whole)
      expect(await squaredNorms(x).data()).toEqual(norms)
      provideWebgpuEngine(tf.backend(), engine)
    }))
})
