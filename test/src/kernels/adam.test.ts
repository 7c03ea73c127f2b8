/** Adam's kernel against the same equations as tfjs ops, bit for bit: every operation is rounded on its own in both. */
import { expect, test } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { adamMoves, type Moved, ratesAt } from "../../../src/kernels/adam.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { adamEquations } from "./adam-equations.ts"
import { normals } from "./float64.ts"
import { kernelCalls } from "./oracle.ts"
import { expectSameBits } from "./same-bits.ts"

/** Lists of shapes: parts of a vector, several blocks with a rest, more tensors than one piece of work takes. */
const lists: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> = [
  [[], [1], [3], [4], [5], [2, 3, 3]],
  [
    [129, 255],
    [7, 3],
    [16384, 1],
    [16387, 2]
  ],
  Array.from({ length: 301 }, (_, i) => [1 + (i % 9), 2])
]

const rates = ratesAt({ b1: 0.9, b2: 0.999, eps: 1e-8 }, 3)

/** g, M and V; V is a mean of squares, so not negative. */
const inputsOf = (shapes: ReadonlyArray<ReadonlyArray<number>>) => {
  const tensors = (name: string) =>
    shapes.map((shape, i) =>
      tf.tensor(
        normals(
          shape.reduce((size, n) => size * n, 1),
          `${name}${i}`
        ),
        [...shape]
      )
    )
  return { g: tensors("g"), first: tensors("first"), second: tensors("second").map((v) => tf.square(v)) }
}

const flat = (moved: ReadonlyArray<Moved<Tensor>>): ReadonlyArray<Tensor> =>
  moved.flatMap(({ u, first, second }) => [u, first, second])

const values = (tensors: ReadonlyArray<Tensor>) => Promise.all(tensors.map((tensor) => tensor.data()))

const bits = async (tensors: ReadonlyArray<Tensor>) =>
  (await values(tensors)).map((data) => new Uint32Array(data.slice().buffer))

describeOnBoth((backend) => {
  for (const shapes of [...lists, ...lists.toReversed()]) {
    test(`${shapes.length} tensors: the bits of the reference`, async () => {
      const { g, first, second } = inputsOf(shapes)
      const found = flat(adamMoves(g, first, second, rates))
      const expected = flat(g.map((one, i) => adamEquations(one, first[i]!, second[i]!, rates)))
      expect(found.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape))
      expect(await bits(found)).toEqual(await bits(expected))
    })
  }

  test("the inputs are left as they were", async () => {
    const { g, first, second } = inputsOf(lists[0]!)
    const before = await bits([...g, ...first, ...second])
    adamMoves(g, first, second, rates)
    expect(await bits([...g, ...first, ...second])).toEqual(before)
  })

  test("no tensors, and tensors without elements", () => {
    expect(adamMoves([], [], [], rates)).toEqual([])
    const nothing = tf.zeros([0, 3])
    const one = tf.ones([2])
    const moved = adamMoves([nothing, one], [nothing, one], [nothing, one], rates)
    expect(moved.map(({ u }) => u.shape)).toEqual([[0, 3], [2]])
  })

  test("NaN and ∞ stay where they are", async () => {
    const g = tf.tensor1d([1, Number.NaN, Number.POSITIVE_INFINITY, 2, 0])
    const zero = tf.zeros([5])
    const [moved] = adamMoves([g], [zero], [zero], { b1: 0, b2: 0, c: 1, e: 0.5 })
    // ∞/∞ is NaN
    expect(Array.from(await moved!.u.data())).toEqual([1 / 1.5, Number.NaN, Number.NaN, 0.8, 0].map(Math.fround))
    expect(Array.from(await moved!.second.data())).toEqual([1, Number.NaN, Number.POSITIVE_INFINITY, 4, 0])
  })

  test("nothing is left behind, and all tensors are one kernel", async () => {
    const { g, first, second } = inputsOf(lists[0]!)
    await expectNoLeak(() => tf.dispose([...flat(adamMoves(g, first, second, rates))]))
    if (backend === "wasm") {
      expect([...kernelCalls(() => adamMoves(g, first, second, rates))]).toEqual([["Adam", 1]])
    }
  })
})

test("the same bits from any number of threads", () =>
  expectSameBits(() => {
    const { g, first, second } = inputsOf(lists[1]!)
    return flat(adamMoves(g, first, second, rates))
  }))
