/** Dropout: the laws, one mask on every device, its statistics, and a gradient that is the mask. */
import { describe, expect, test } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { dropout } from "../../../src/kernels/dropout.ts"
import { webgpu } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { onWasm } from "../device/on-wasm.ts"
import { onWebgpu } from "../device/on-webgpu.ts"
import { normals } from "./float64.ts"
import { describeLaws, normalHost } from "./laws.ts"

describeLaws({
  name: "dropout",
  sizes: [
    [3, 7],
    [1, 9],
    [8, 64],
    [5, 33]
  ],
  large: [3, 22_017],
  empty: [0, 5],
  inputs: ([tokens, width]: readonly [number, number]) => ({ x: normalHost("dropout", tokens, width) }),
  run: ({ x }) => dropout(x, { rate: 0.3, seed: 17, offset: 4 }),
  differentiable: ["x"],
  functions: ["dropout"],
  shaders: ["Dropout"]
})

const SIZE = 100_003

/** 1 where a number is kept. */
const maskOf = async (size: number, rate: number, seed: number, offset: number): Promise<Uint8Array> => {
  const y = dropout(tf.ones([size]), { rate, seed, offset })
  const mask = Uint8Array.from(await y.data(), (v) => (v === 0 ? 0 : 1))
  y.dispose()
  return mask
}

const meanOf = (mask: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < mask.length; i++) sum += mask[i]!
  return sum / mask.length
}

const cases = [
  [0.1, 0, 0],
  [0.5, 1, 0],
  [0.05, 4_294_967_295, 7],
  [0.9, 12_345, 2_147_483_648]
] as const

const cpu = async <A>(f: () => Promise<A>): Promise<A> => {
  await tf.setBackend("cpu")
  return f()
}

test("known numbers: another hash, or another order of its words, would make other runs of old plans", () =>
  cpu(async () => {
    const first = async (seed: number, offset: number) => (await maskOf(32, 0.5, seed, offset)).join("")
    expect(await first(0, 0)).toBe("11011101110111010111010111111110")
    expect(await first(1, 0)).toBe("00100000001011101000101100011100")
    expect(await first(0, 1)).toBe("01000010110011101010110011100111")
  }))

for (const [rate, seed, offset] of cases) {
  describe(`rate ${rate}, seed ${seed}, offset ${offset}`, () => {
    const outcome = async () => {
      const x = tf.tensor1d(normals(SIZE, "x"))
      const dy = tf.tensor1d(normals(SIZE, "dy"))
      const { value, grad } = tf.valueAndGrad((z) => dropout(z as Tensor, { rate, seed, offset }))(x, dy)
      return Promise.all([value.data(), grad.data()])
    }

    test("the same bits on cpu and wasm", async () => {
      expect(await onWasm(outcome)).toEqual(await cpu(outcome))
    })

    test.skipIf(!webgpu.exists)("the same bits on cpu and a GPU", async () => {
      expect(await onWebgpu(outcome)).toEqual(await cpu(outcome))
    })

    test("what is kept is scaled, and the gradient is the same mask", () =>
      cpu(async () => {
        const mask = await maskOf(SIZE, rate, seed, offset)
        const scale = Math.fround(1 / (1 - rate))
        const [y, dx] = await outcome()
        for (const [numbers, name] of [
          [y, "x"],
          [dx, "dy"]
        ] as const) {
          const from = normals(SIZE, name)
          const wrong = numbers.findIndex((v, i) => v !== (mask[i] === 1 ? Math.fround(from[i]! * scale) : 0))
          expect(wrong).toBe(-1)
        }
      }))

    test("keeps 1 − rate of the numbers, within four standard deviations", () =>
      cpu(async () => {
        const mask = await maskOf(SIZE, rate, seed, offset)
        const deviation = Math.sqrt((rate * (1 - rate)) / SIZE)
        expect(Math.abs(meanOf(mask) - (1 - rate)) / deviation).toBeLessThan(4)
      }))

    test("neighbours, rows, steps and seeds are independent, within four standard deviations", () =>
      cpu(async () => {
        const mask = await maskOf(SIZE, rate, seed, offset)
        const others = [
          ...[1, 2, 3, 16, 64, 384, 768, 1024].map((lag) => mask.subarray(lag)),
          ...(await Promise.all(
            [1, 2, 64, 1 << 16].flatMap((by) => [
              maskOf(SIZE, rate, seed, (offset + by) % 2 ** 32),
              maskOf(SIZE, rate, (seed + by) % 2 ** 32, offset)
            ])
          ))
        ]
        for (const other of others) {
          const size = Math.min(mask.length, other.length)
          let kept = 0
          for (let i = 0; i < size; i++) kept += mask[i]! & other[i]!
          const both = kept / size
          const expected = (1 - rate) ** 2
          // of the covariance of two independent masks
          const deviation = Math.sqrt((expected * (1 - expected)) / size)
          expect(Math.abs(both - expected) / deviation).toBeLessThan(4)
        }
      }))
  })
}

test("rate 0 keeps all, and no rate outside [0, 1) is taken", () =>
  cpu(async () => {
    const x = tf.tensor1d(normals(5, "x"))
    expect(await dropout(x, { rate: 0, seed: 1, offset: 2 }).data()).toEqual(normals(5, "x"))
    for (const rate of [1, -0.1, Number.NaN])
      expect(() => dropout(x, { rate, seed: 0, offset: 0 })).toThrow("expected a number in [0, 1)")
    await expectNoLeak(() => dropout(x, { rate: 0, seed: 1, offset: 2 }).dispose())
    x.dispose()
  }))

test.skipIf(!webgpu.exists)("more workgroups than one dimension of a GPU has", () =>
  onWebgpu(async () => {
    const size = 64 * 65_535 + 67
    const expected = await cpu(() => maskOf(size, 0.25, 3, 9))
    await tf.setBackend("webgpu")
    expect(await maskOf(size, 0.25, 3, 9)).toEqual(expected)
  })
)
