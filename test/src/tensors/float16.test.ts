import { expect, test } from "bun:test"
import { fromBfloat16, fromFloat16 } from "../../../src/tensors/float16.ts"

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
