import { expect, test } from "bun:test"
import { blockTypes } from "../../../../src/models/gguf/block-types.ts"
import { readGolden } from "../golden.ts"

const golden = await readGolden("gguf/blocks.safetensors")
const kinds = [...blockTypes.values()].filter(({ name }) => name !== "F32")

test("every type that is read has its golden", () => {
  expect(kinds.length).toBe(15)
  expect(kinds.filter(({ name }) => !golden.has(`${name}.values`))).toEqual([])
})

// bit for bit: every value is one rounding of an exact number, here as in Python's float32
for (const { name, bytes, elements, decode } of kinds) {
  test(`${name} is what the Python package makes of the same bytes`, () => {
    const stored = Uint8Array.from(golden.get(`${name}.bytes`)!.data)
    const expected = golden.get(`${name}.values`)!.data
    expect(expected.length).toBe((stored.length / bytes) * elements)
    expect(expected.length).toBeGreaterThanOrEqual(64)
    expect([...decode(stored)].map(positiveZero)).toEqual([...expected].map(positiveZero))
  })

  test(`${name} reads bytes that lie within a larger buffer`, () => {
    const stored = Uint8Array.from(golden.get(`${name}.bytes`)!.data)
    const around = new Uint8Array(stored.length + 3)
    around.set(stored, 1)
    expect([...decode(around.subarray(1, 1 + stored.length))]).toEqual([...decode(stored)])
  })
}

/** −0 comes out of 0·−q here and there alike, but Q4_1 adds m = 0 to it. */
const positiveZero = (value: number) => (value === 0 ? 0 : value)
