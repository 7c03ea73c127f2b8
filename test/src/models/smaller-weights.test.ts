/** Weights of a model.json in fewer bytes, read back by tfjs's own decoder. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type SmallerForm, smallerWeights } from "../../../src/models/index.ts"
import { normals } from "../kernels/float64.ts"

type Spec = tf.io.WeightsManifestEntry

const floats = (values: ReadonlyArray<number>) => new Uint8Array(Float32Array.from(values).buffer)

/** Name → numbers and shape, one after the other as `save` stores them. */
const stored = (tensors: Readonly<Record<string, readonly [ReadonlyArray<number>, ReadonlyArray<number>]>>) => ({
  specs: Object.entries(tensors).map(([name, [, shape]]): Spec => ({ name, shape: [...shape], dtype: "float32" })),
  data: new Uint8Array(Buffer.concat(Object.values(tensors).map(([values]) => floats(values))))
})

const decoded = ({ data, specs }: ReturnType<typeof smallerWeights>) =>
  tf.tidy(() =>
    Object.fromEntries(
      Object.entries(tf.io.decodeWeights(new Uint8Array(data).buffer, [...specs])).map(([name, tensor]) => [
        name,
        Array.from(tensor.dataSync())
      ])
    )
  )

const single = Math.fround
/** Float32 rounds what is read back once more. */
const rounding = (value: number) => Math.abs(value) * 2 ** -24

const tables = {
  both: [[...normals(600, "both")], [20, 30]],
  positive: [[...normals(64, "positive")].map((value) => 5 + Math.abs(value)), [8, 8]],
  negative: [[...normals(64, "negative")].map((value) => -5 - Math.abs(value)), [8, 8]],
  // of 255 steps −1 takes 2.55: neither end is a whole step from 0
  uneven: [
    [-1, 0, 0.3, 99, 42.5, -0.2],
    [2, 3]
  ],
  kernel: [[...normals(180, "kernel")].map((value) => value / 100), [3, 3, 4, 5]]
} as const

describe("a byte for each number", () => {
  const all = smallerWeights(stored(tables), "uint8")
  const read = decoded(all)

  test("differs by at most half a step, which is what is told", () => {
    expect(all.changed.map(({ name }) => name)).toEqual(Object.keys(tables))
    for (const { name, largestError, step } of all.changed) {
      const values = tables[name as keyof typeof tables][0].map(single)
      const errors = values.map((value, i) => Math.abs(read[name]![i]! - value))
      expect(Math.max(...errors)).toBe(largestError)
      expect(step!).toBeCloseTo((Math.max(...values) - Math.min(...values)) / 255, 12)
      values.forEach((value, i) => {
        expect(errors[i]!).toBeLessThanOrEqual(step! / 2 + rounding(value) + 1e-12)
      })
      // and not by much less: these are as many numbers as fill the range
      expect(largestError).toBeGreaterThan(step! / 8)
    }
  })

  test("0 is 0, which padding is", () => {
    expect(read["uneven"]![1]).toBe(0)
    const zeros = smallerWeights(
      stored({
        w: [
          [0, -0.37, 0, 1.21],
          [2, 2]
        ]
      }),
      "uint8"
    )
    expect(decoded(zeros)["w"]!.filter((value) => value === 0).length).toBe(2)
  })

  test("numbers that are all the same are exact", () => {
    const constant = {
      ones: [
        [0.1, 0.1, 0.1, 0.1],
        [2, 2]
      ],
      zeros: [
        [0, 0, 0, 0],
        [2, 2]
      ]
    } as const
    expect(decoded(smallerWeights(stored(constant), "uint8"))).toEqual({
      ones: Array(4).fill(single(0.1)),
      zeros: [0, 0, 0, 0]
    })
  })

  test("is a quarter of the bytes, as the converter's manifest has it", () => {
    expect(all.data.length * 4).toBe(stored(tables).data.length)
    const { quantization } = all.specs[0]!
    expect(quantization).toMatchObject({ dtype: "uint8", original_dtype: "float32" })
    expect(JSON.parse(JSON.stringify(all.specs))).toEqual(all.specs as never)
  })
})

test("halves are the nearest ones", () => {
  const { data, specs, changed } = smallerWeights(stored(tables), "float16")
  expect(data.length * 2).toBe(stored(tables).data.length)
  for (const [name, values] of Object.entries(decoded({ data, specs, changed }))) {
    const own = tables[name as keyof typeof tables][0]
    // Bun has halves of its own
    expect(values).toEqual(Array.from(new Float16Array(own.map(single))))
  }
  expect(changed.every(({ step }) => step === undefined)).toBe(true)
})

describe.each<SmallerForm>(["uint8", "float16"])("%s leaves as it is", (form) => {
  const untouched = (specs: ReadonlyArray<Spec>, data: Uint8Array) => {
    const result = smallerWeights({ specs, data }, form)
    expect(result).toEqual({ specs, data, changed: [] })
  }

  test("what has one axis, whatever it is written as", () => {
    const { specs, data } = stored({
      bias: [[1, 2, 3], [3]],
      gain: [
        [1, 2, 3],
        [1, 1, 3]
      ],
      scalar: [[7], []]
    })
    untouched(specs, data)
  })

  test("what is no float", () => {
    const specs: ReadonlyArray<Spec> = [
      { name: "ids", shape: [2, 2], dtype: "int32" },
      { name: "mask", shape: [2, 2], dtype: "bool" }
    ]
    untouched(
      specs,
      Uint8Array.from({ length: 20 }, (_, i) => i)
    )
  })

  test("numbers that it cannot hold", () => {
    const { specs, data } = stored({
      w: [
        [1, Number.NaN, 3, 4],
        [2, 2]
      ],
      v: [
        [1, Number.POSITIVE_INFINITY, 3, 4],
        [2, 2]
      ]
    })
    untouched(specs, data)
  })

  test("the rest, whatever begins before it in the file", () => {
    const { specs, data } = stored({
      bias: [[1, 2, 3], [3]],
      w: [
        [1, 2, 3, 4],
        [2, 2]
      ],
      last: [[9], [1]]
    })
    // a view that begins at an odd byte
    const shifted = new Uint8Array(data.length + 1)
    shifted.set(data, 1)
    const result = smallerWeights({ specs, data: shifted.subarray(1) }, form)
    expect(result.changed.map(({ name }) => name)).toEqual(["w"])
    expect(decoded(result)["bias"]).toEqual([1, 2, 3])
    expect(decoded(result)["last"]).toEqual([9])
  })
})

test("what is beyond the largest half stays float32, and is a byte all the same", () => {
  const { specs, data } = stored({
    w: [
      [1, 2, 3, 70_000],
      [2, 2]
    ]
  })
  expect(smallerWeights({ specs, data }, "float16").changed).toEqual([])
  expect(smallerWeights({ specs, data }, "uint8").changed.length).toBe(1)
})
