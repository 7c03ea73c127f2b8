/** Angles of rotary positions: what rows hold, whatever was asked for before. Scalings are tested against transformers (`variants`, `rope-scaling`). */
import { expect, test } from "bun:test"
import { frequenciesOf, type Rope, rotaryRows } from "../../../src/models/rotary-rows.ts"
import { expectClose, tolerance } from "../../setup.ts"

const r = 8
const plain: Rope = { theta: 10_000, dimensions: r, scaling: null }

const many = (values: ReadonlyArray<number>, length: number) => Int32Array.from(values, () => length)
const rowsFor = (rope: Rope, positions: ReadonlyArray<number>, length = 512) =>
  rotaryRows(rope).at(Int32Array.from(positions), many(positions, length))

test("columns j and j + r/2 share the angle p·θ^(−2j/r)", () => {
  const frequencies = frequenciesOf(plain, 1)
  expectClose(frequencies, [1, 0.1, 0.01, 0.001], tolerance.operation)
  const positions = [3, 0, 511, 20]
  const { cos, sin } = rowsFor(plain, positions)
  const angles = positions.flatMap((p) => [...frequencies, ...frequencies].map((w) => p * w))
  // an angle of 511 has 3e-5 between two floats: rounded like that, it is off by half of it
  expectClose(cos, angles.map(Math.cos), 2e-5)
  expectClose(sin, angles.map(Math.sin), 2e-5)
  expect([...cos.slice(r, 2 * r)]).toEqual(new Array(r).fill(1))
})

const longrope: Rope = {
  ...plain,
  scaling: { kind: "longrope", original: 200, short: [1, 1.5, 2, 3], long: [2, 4, 6, 9], attention: 1.2 }
}
const dynamic: Rope = { ...plain, scaling: { kind: "dynamic", factor: 3, original: 200 } }

test("rows do not depend on what was asked for before", () => {
  for (const rope of [plain, longrope, dynamic]) {
    const rows = rotaryRows(rope)
    const orders = [[5], [2, 7, 1], [300], [0, 299, 300, 6], []]
    for (const length of [301, 200, 201, 1]) {
      for (const positions of orders) {
        const asked = rows.at(Int32Array.from(positions), many(positions, length))
        expect(asked).toEqual(rowsFor(rope, positions, length))
        expect(asked.cos.length).toBe(positions.length * r)
      }
    }
  }
})

test("a batch of texts has the rows that each text has by itself", () => {
  for (const rope of [longrope, dynamic]) {
    const lengths = [200, 201, 300, 200, 12]
    const together = rotaryRows(rope).at(many(lengths, 11), Int32Array.from(lengths))
    const alone = lengths.map((length) => rowsFor(rope, [11], length))
    expect([...together.cos]).toEqual(alone.flatMap(({ cos }) => [...cos]))
    expect([...together.sin]).toEqual(alone.flatMap(({ sin }) => [...sin]))
  }
})

test("lengths are of one class where their frequencies are the same", () => {
  for (const rope of [plain, longrope, dynamic]) {
    const { classOf } = rotaryRows(rope)
    const lengths = [1, 199, 200, 201, 202, 1_000]
    for (const a of lengths) {
      for (const b of lengths) {
        const same = frequenciesOf(rope, a).every((frequency, j) => frequency === frequenciesOf(rope, b)[j])
        expect([a, b, classOf(a) === classOf(b)]).toEqual([a, b, same])
      }
    }
  }
  expect(new Set([1, 200, 201, 202].map(rotaryRows(dynamic).classOf)).size).toBe(3)
})

test("llama3 leaves high frequencies, divides low ones, and goes between them without a step", () => {
  const scaling = { kind: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, original: 8_192 } as const
  const of = (own: Rope["scaling"]) => frequenciesOf({ theta: 500_000, dimensions: 4_096, scaling: own }, 1)
  const ratios = ratiosOf(of(scaling), of(null))
  expect([ratios[0], ratios.at(-1)]).toEqual([1, 1 / 8])
  // neighbours differ by 0.6 % in frequency, and by no more than twice that in how much they are scaled
  const steps = ratios.slice(1).map((ratio, j) => ratios[j]! / ratio)
  expect(Math.min(...steps)).toBeGreaterThan(1 - 1e-6)
  expect(Math.max(...steps)).toBeLessThan(1.02)
})

test("yarn leaves what turns `fast` times in the original context, divides what turns `slow` times, and goes between them", () => {
  const scaling = {
    kind: "yarn",
    factor: 4,
    original: 32_768,
    fast: 32,
    slow: 1,
    truncate: false,
    attention: 1
  } as const
  const theta = 1_000_000
  const of = (own: Rope["scaling"]) => frequenciesOf({ theta, dimensions: 4_096, scaling: own }, 1)
  const frequencies = of(null)
  const ratios = ratiosOf(of(scaling), frequencies)
  const turns = Array.from(frequencies, (frequency) => (scaling.original * frequency) / (2 * Math.PI))
  const [kept, divided] = [turns.filter((n) => n >= 32).length, turns.filter((n) => n <= 1).length]
  expect(Math.min(kept, divided, turns.length - kept - divided)).toBeGreaterThan(100)
  // a frequency is a float32, and so is what it is compared with
  expectClose(ratios.slice(0, kept), new Array(kept).fill(1), 1e-6)
  expectClose(ratios.slice(-divided), new Array(divided).fill(1 / 4), 1e-6)
  // what goes, goes by equal steps from each pair to the next
  const between = ratios.slice(kept, -divided)
  const steps = between.slice(1).map((ratio, i) => between[i]! - ratio)
  expectClose(steps, new Array(steps.length).fill(0.75 / (turns.length - kept - divided)), 0.02)
})

const ratiosOf = (scaled: Float32Array, plainly: Float32Array): Array<number> =>
  Array.from(scaled, (frequency, j) => frequency / plainly[j]!)
