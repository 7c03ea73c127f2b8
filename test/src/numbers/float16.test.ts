import { expect, test } from "bun:test"
import { fromBfloat16, fromFloat16, toFloat16 } from "../../../src/numbers/halves.ts"

test("all 65,536 halves are what the engine's own Float16Array says", () => {
  const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
  const own = fromFloat16(bits)
  const reference = new Float16Array(bits.buffer)
  expect(reference.length).toBe(own.length)
  // Object.is tells −0 from 0, and NaN equals NaN
  expect(reference.findIndex((value, i) => !Object.is(value, own[i]))).toBe(-1)
})

test("a bfloat16 is the upper half of a float32", () => {
  const floats = Float32Array.of(1, -2.5, 0, 3.3895313892515355e38, Number.POSITIVE_INFINITY)
  const upper = new Uint16Array(floats.buffer).filter((_, i) => i % 2 === 1)
  expect(fromBfloat16(upper)).toEqual(floats)
})

test("float32 to half is what the engine's own Float16Array says", () => {
  const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
  const halves = fromFloat16(bits)
  // every half, the middle between it and the next (ties to even), and the floats on both sides of that
  const middles = Array.from(halves, (half, i) => Math.fround((half + halves[(i + 1) & 0xffff]!) / 2))
  const bitsOf = new Uint32Array(Float32Array.from(middles).buffer)
  const beside = [-1, 1].flatMap((step) => [...new Float32Array(bitsOf.map((word) => word + step).buffer)])
  const extremes = [
    65_519.99,
    65_520,
    -65_520,
    1e30,
    Infinity,
    -Infinity,
    NaN,
    2 ** -24,
    2 ** -25,
    1.01 * 2 ** -25,
    1e-40,
    -0
  ]
  const values = Float32Array.from([...extremes, ...halves, ...middles, ...beside])
  expect(values.length).toBeGreaterThan(4 * 65_536)
  const own = new Uint16Array(values.length)
  toFloat16(values, own)
  const [actual, expected] = [new Float16Array(own.buffer), new Float16Array(values)]
  expect(values.findIndex((_, i) => !Object.is(actual[i], expected[i]))).toBe(-1)
})
