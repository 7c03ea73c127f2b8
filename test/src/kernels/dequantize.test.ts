/** A packed W in float32, on every backend, against what the engine's own typed arrays say; and the same bits for any number of threads. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layer } from "../../../src/device/bun.ts"
import { Device } from "../../../src/device/device.ts"
import { dequantized } from "../../../src/kernels/dequantize.ts"
import { BLOCK, type PackedHostMatrix, type Packing, PER_WORD, wordsOfRow } from "../../../src/numbers/index.ts"
import { tensorsOfMatrix, uploadPacked } from "../../../src/tensors/index.ts"
import { describeOnBoth, webgpu } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { onWasm, random } from "../device/on-wasm.ts"
import { dequantizedOnHost } from "../tensors/dequantized-on-host.ts"
import { expectSameBits } from "./same-bits.ts"

const withWords = (packing: Packing, words: Int32Array, shape: readonly [number, number]): PackedHostMatrix => {
  const next = random(words.length)
  // f16 has powers of two from 1 on
  const scale = () => (packing === "f16" ? 2 ** Math.floor(15 * next()) : Math.fround(10 ** (8 * next() - 6)))
  return {
    packing,
    words,
    scales: BLOCK[packing] === null ? Float32Array.from({ length: shape[0] }, scale) : null,
    shape
  }
}

const finite = (half: number): number => ((half & 0x7c00) === 0x7c00 ? half & 0xbfff : half)

/** Any words that a matrix may consist of: random ones, without infinities and NaN. */
const randomMatrix = (packing: Packing, [out, inputs]: readonly [number, number]): PackedHostMatrix => {
  const next = random(inputs)
  const bytes = new Uint16Array(2 * out * wordsOfRow(packing, inputs))
  // a block begins with two halves
  const block = BLOCK[packing]
  const size = block === null ? 0 : 2 * wordsOfRow(packing, block)
  for (let i = 0; i < bytes.length; i++) {
    const half = Math.floor(65_536 * next())
    bytes[i] = packing === "f16" || (size > 0 && i % size < 2) ? finite(half) : half
  }
  return withWords(packing, new Int32Array(bytes.buffer), [out, inputs])
}

/** Every finite half, and every byte. */
const everything = {
  f16: withWords("f16", new Int32Array(Uint16Array.from({ length: 65_536 }, (_, i) => finite(i)).buffer), [32, 2048]),
  int8: withWords("int8", new Int32Array(Uint8Array.from({ length: 256 }, (_, i) => i).buffer), [2, 128]),
  // as many halves as there are, of any kind
  q4: randomMatrix("q4", [256, 32 * 128]),
  q8: randomMatrix("q8", [256, 32 * 16])
} as const satisfies Record<Packing, PackedHostMatrix>

const WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 23, 31, 32, 33, 40, 77]
const matrices = Object.values(everything).flatMap((all) => [
  all,
  ...WIDTHS.map((inputs) => randomMatrix(all.packing, [5, inputs]))
])

/** What the backend in use makes of a matrix. */
const onDevice = async (matrix: PackedHostMatrix): Promise<Float32Array> => {
  const W = uploadPacked(matrix)
  const whole = dequantized(W)
  const values = (await whole.data()) as Float32Array
  expect(whole.shape).toEqual([...matrix.shape])
  tf.dispose([...tensorsOfMatrix(W), whole])
  return values.slice()
}

const bits = (values: Float32Array) => new Uint32Array(values.buffer)

describeOnBoth(() => {
  test("is what the words say, bit for bit", async () => {
    for (const matrix of matrices) expect(bits(await onDevice(matrix))).toEqual(bits(dequantizedOnHost(matrix)))
  })

  test("leaves nothing behind, and gives a float32 weight back as it is", async () => {
    await expectNoLeak(() => onDevice(everything.int8))
    const W = tf.ones([2, 3]) as tf.Tensor2D
    expect(dequantized(W)).toBe(W)
    W.dispose()
  })
})

test("wasm: the same bits for any number of threads, by many chunks", async () => {
  const large = (Object.keys(PER_WORD) as ReadonlyArray<Packing>).map((packing) => randomMatrix(packing, [301, 611]))
  await expectSameBits(() =>
    large.map((matrix) => {
      const W = uploadPacked(matrix)
      const whole = dequantized(W)
      tf.dispose([...tensorsOfMatrix(W)])
      return whole
    })
  )
  await onWasm(async () => {
    for (const matrix of large) expect(bits(await onDevice(matrix))).toEqual(bits(dequantizedOnHost(matrix)))
  })
})

describe.skipIf(!webgpu.exists)("webgpu", () => {
  test("is what the words say; −0 may be 0 there", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { sync } = yield* Device
        for (const matrix of [...matrices, randomMatrix("int8", [301, 611])]) {
          const [actual, expected] = [yield* Effect.promise(() => onDevice(matrix)), dequantizedOnHost(matrix)]
          expect(expected.findIndex((value, i) => value !== actual[i])).toBe(-1)
        }
        yield* sync
      }).pipe(Effect.provide(Layer.fresh(layer("webgpu"))), Effect.scoped)
    ))
})
