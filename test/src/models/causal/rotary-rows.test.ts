/** Angles of rotary positions: what rows hold, whatever was asked for before. Scalings are tested against transformers (`variants`). */
import { expect, test } from "bun:test"
import { frequenciesOf, rotaryRows } from "../../../../src/models/causal/rotary-rows.ts"
import { expectClose, tolerance } from "../../../setup.ts"

const d = 8
const frequencies = frequenciesOf({ theta: 10_000, scaling: null }, d)

test("columns j and j + d/2 share the angle p·θ^(−2j/d)", () => {
  expectClose(frequencies, [1, 0.1, 0.01, 0.001], tolerance.operation)
  const positions = [3, 0, 511, 20]
  const { cos, sin } = rotaryRows(frequencies)(Int32Array.from(positions))
  const angles = positions.flatMap((p) => [...frequencies, ...frequencies].map((w) => p * w))
  // an angle of 511 has 3e-5 between two floats: rounded like that, it is off by half of it
  expectClose(cos, angles.map(Math.cos), 2e-5)
  expectClose(sin, angles.map(Math.sin), 2e-5)
  expect([...cos.slice(d, 2 * d)]).toEqual(new Array(d).fill(1))
})

test("rows do not depend on what was asked for before", () => {
  const rows = rotaryRows(frequencies)
  const orders = [[5], [2, 7, 1], [300], [0, 299, 300, 6], []].map((positions) => Int32Array.from(positions))
  for (const positions of orders) {
    expect(rows(positions)).toEqual(rotaryRows(frequencies)(positions))
    expect(rows(positions).cos.length).toBe(positions.length * d)
  }
})

test("llama3 leaves high frequencies, divides low ones, and goes between them without a step", () => {
  const scaling = { kind: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, original: 8_192 } as const
  const many = 4_096
  const plain = frequenciesOf({ theta: 500_000, scaling: null }, many)
  const ratios = frequenciesOf({ theta: 500_000, scaling }, many).map((w, j) => w / plain[j]!)
  expect([ratios[0], ratios.at(-1)]).toEqual([1, 1 / 8])
  // neighbours differ by 0.6 % in frequency, and by no more than twice that in how much they are scaled
  const steps = [...ratios].slice(1).map((ratio, j) => ratios[j]! / ratio)
  expect(Math.min(...steps)).toBeGreaterThan(1 - 1e-6)
  expect(Math.max(...steps)).toBeLessThan(1.02)
})
