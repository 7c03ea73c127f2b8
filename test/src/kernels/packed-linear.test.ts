/**
 * Linear layers over a packed W are those over the dequantized one: on cpu and wasm the same bits forward and backward, but for shapes that
 * take another way there, for any number of threads; and the same numbers on a GPU. No float32 W is made on wasm or on a GPU.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { frozenLinear } from "../../../src/kernels/dense-linear.ts"
import { dequantized } from "../../../src/kernels/dequantize.ts"
import { loraLinear } from "../../../src/kernels/lora-linear.ts"
import { type PackedHostMatrix, type Packing, PER_WORD, packMatrix } from "../../../src/numbers/index.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { type FrozenMatrix, isPacked, tensorsOfMatrix, uploadPacked } from "../../../src/tensors/index.ts"
import { describeOnBoth, webgpu } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { random, tensorOf } from "../device/on-wasm.ts"
import { onWebgpu } from "../device/on-webgpu.ts"
import { kernelCalls, weighted } from "./oracle.ts"
import { sameBits } from "./same-bits.ts"

type Shape = readonly [tokens: number, inputs: number, out: number, rank: number]

/** A single row, widths that no word and no block divides, edges of tiles and panels, and (the last two) several chunks by rows and by columns. */
const shapes: ReadonlyArray<Shape> = [
  [1, 1, 1, 1],
  [1, 77, 45, 3],
  [1, 128, 70, 4],
  [2, 3, 5, 1],
  [3, 12, 12, 2],
  [5, 7, 13, 3],
  [4, 33, 25, 4],
  [40, 131, 61, 8],
  [250, 77, 133, 5],
  [601, 50, 70, 8]
]

/** Rows of W that are longer than anything else a thread needs space for. */
const LONG: Shape = [300, 3000, 40, 4]

/** Small ones only, where the reference of the cpu backend would take long. */
const quick = shapes.slice(0, 8)

const packings = Object.keys(PER_WORD) as ReadonlyArray<Packing>

interface Layer {
  readonly W: FrozenMatrix
  readonly x: tf.Tensor2D
  readonly bias: tf.Tensor1D
  readonly A: tf.Tensor2D
  readonly B: tf.Tensor2D
  readonly dy: tf.Tensor2D
}

/** A layer's tensors; weights from their own seed, so that they are the same however the others are made. */
const layerOf = ([tokens, inputs, out, rank]: Shape, packing: Packing): Layer => {
  const next = random(tokens)
  const values = Float32Array.from({ length: out * inputs }, () => 2 * next() - 1)
  return {
    W: uploadPacked(packMatrix(packing, values, [out, inputs]) as PackedHostMatrix),
    x: tensorOf([tokens, inputs], next) as tf.Tensor2D,
    bias: tensorOf([out], next) as tf.Tensor1D,
    A: tensorOf([rank, inputs], next) as tf.Tensor2D,
    B: tensorOf([out, rank], next) as tf.Tensor2D,
    dy: tensorOf([tokens, out], next) as tf.Tensor2D
  }
}

const disposeLayer = ({ W, ...others }: Layer) => tf.dispose([...tensorsOfMatrix(W), ...Object.values(others)])

/** y and dx of the frozen layer, y, dx, dA and dB of the adapted one. */
const results = ({ x, bias, A, B, dy }: Layer, W: FrozenMatrix): ReadonlyArray<tf.Tensor> => {
  const frozen = () => frozenLinear(x, W, bias)
  const adapted = () => loraLinear(x, W, bias, A, B, 2)
  const of = (f: () => tf.Tensor2D, wanted: ReadonlyArray<tf.Tensor>) =>
    tf.tidy(() => [f(), ...valueAndGradients(() => weighted(f(), dy), wanted).gradients])
  return [...of(frozen, [x, bias]), ...of(adapted, [x, A, B])]
}

const bitsOf = (tensors: ReadonlyArray<tf.Tensor>) =>
  Promise.all(tensors.map(async (tensor) => new Uint32Array((await tensor.data()).slice().buffer)))

/**
 * Whether wasm multiplies a packed W as it does a float32 one. One row of A is multiplied by what a row or a block of W shares once it is
 * summed (`c/one-row.c`), and a float32 W of few columns goes without panels (`c/thin.h`).
 */
const sameWay = ([tokens, inputs, out]: Shape): boolean => tokens > 1 && Math.min(inputs, out) > 4

describeOnBoth((backend) => {
  for (const packing of packings) {
    test(`${packing}: the bits of the dequantized weight's`, async () => {
      expect(shapes.filter(sameWay).length).toBeGreaterThan(5)
      for (const shape of backend === "cpu" ? quick : shapes) {
        const layer = layerOf(shape, packing)
        const whole = dequantized(layer.W)
        const [actual, expected] = [results(layer, layer.W), results(layer, whole)]
        const [own, reference] = [await bitsOf(actual), await bitsOf(expected)]
        expect(own.length).toBe(7)
        for (const [i, bits] of own.entries())
          if (backend === "cpu" || sameWay(shape)) expect([shape, i, bits]).toEqual([shape, i, reference[i]!])
          else expectClose(await actual[i]!.data(), await expected[i]!.data(), tolerance.operation)
        tf.dispose([...actual, ...expected, whole])
        disposeLayer(layer)
      }
    })

    test(`${packing}: nothing is left behind, and a W that is asked for is an error`, async () => {
      const layer = layerOf([5, 7, 13, 3], packing)
      await expectNoLeak(() => tf.dispose([...results(layer, layer.W)]))
      const { W, x, dy } = layer
      if (!isPacked(W)) throw new Error("it is packed")
      const asked = () =>
        tf.tidy(() => void valueAndGradients(() => weighted(frozenLinear(x, W, null), dy), [x, W.scales ?? W.words]))
      expect(asked).toThrow(`has no closure for ${W.scales === null ? "W" : "scales"}`)
      disposeLayer(layer)
    })
  }

  test("without a bias", async () => {
    const layer = layerOf([4, 33, 25, 4], "int8")
    const { x, W, A, B } = layer
    const whole = dequantized(W)
    const both = [W, whole].map((weight) => [frozenLinear(x, weight, null), loraLinear(x, weight, null, A, B, 2)])
    expect(await bitsOf(both[0]!)).toEqual(await bitsOf(both[1]!))
    tf.dispose([...both.flat(), whole])
    disposeLayer(layer)
  })

  test("on wasm the products dequantize by themselves; elsewhere W is made for each", () => {
    const layer = layerOf([5, 7, 13, 3], "f16")
    const calls = kernelCalls(() => tf.dispose([...results(layer, layer.W)]))
    expect(calls.get("LoraLinear_f16")).toBe(2)
    expect(calls.get("LoraLinearBackward_f16")).toBe(1)
    expect(calls.get("FrozenLinearBackward_f16")).toBe(1)
    expect(calls.get("Dequantize") ?? 0).toBe(backend === "wasm" ? 0 : 6)
    disposeLayer(layer)
  })
})

describe("wasm, any number of threads", () => {
  for (const packing of packings) {
    test(
      packing,
      sameBits(() =>
        // first the one that needs most scratch: a thread with too little would write into another's
        [LONG, ...shapes.slice(-2)].flatMap((shape) => {
          const layer = layerOf(shape, packing)
          const computed = results(layer, layer.W)
          disposeLayer(layer)
          return computed
        })
      )
    )
  }
})

/** The programs for a packed W are others than those for a float32 one, and are compiled in the test. */
const COMPILING = 180_000

describe.skipIf(!webgpu.exists)("on a GPU", () => {
  test(
    "the numbers of the dequantized weight's, and nothing is dequantized beforehand",
    () =>
      onWebgpu(async () => {
        // one that a small program computes, and one that the others do
        for (const shape of [quick[6]!, quick[7]!])
          for (const packing of packings) {
            const layer = layerOf(shape, packing)
            const whole = dequantized(layer.W)
            const expected = results(layer, whole)
            let actual: ReadonlyArray<tf.Tensor> = []
            const calls = kernelCalls(() => {
              actual = results(layer, layer.W)
            })
            expect(calls.get("Dequantize")).toBeUndefined()
            expect(actual.length).toBe(7)
            // sums of the same products by the same program, with a scale multiplied in at another place
            for (const [i, tensor] of actual.entries())
              expectClose(await tensor.data(), await expected[i]!.data(), tolerance.operation)
            tf.dispose([...actual, ...expected, whole])
            disposeLayer(layer)
          }
      }),
    COMPILING
  )
})
