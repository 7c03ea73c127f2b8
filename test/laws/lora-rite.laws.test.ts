/**
 * Laws of LoRA-RITE over several steps, over random shapes, ranks and scales, on the real transform in float32.
 *
 *   1  W moves by the same at every step for every gauge (BR, R⁻¹A), R invertible: moments go with the bases
 *   2  the first step of each factor has, in the coordinates of the other's basis, equal singular values: √in and √out
 *   3  from B = 0 A stays for a step, B moves, and everything is finite
 *   4  a gradient that is not finite makes the step of its pair none, at every entry
 *   5  with `balance` ‖A‖ = ‖B‖ after a step, and BA is that without it
 *
 * The oracle is float64: gauges, products and orthonormal bases by Gram–Schmidt.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { scaleByAdam } from "../../src/optimizers/adamw/transform.ts"
import { balanceFactors, type LoraRiteOptions, loraRite } from "../../src/optimizers/lora-rite/transform.ts"
import { scaleByLearningRate } from "../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../src/optimizers/transform.ts"
import { describeOn } from "../backends.ts"
import { describeEverywhere } from "../src/optimizers/everywhere.ts"
import { stepsUnder } from "../src/optimizers/given-gradients.ts"
import {
  combine,
  conditioned,
  inverse,
  type Matrix,
  norm,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "../src/optimizers/matrix.ts"

const RATE = 0.02

interface Case {
  readonly name: string
  readonly A: Matrix // [r, in]
  readonly B: Matrix // [out, r]
  /** gradients of W, for each step */
  readonly G: ReadonlyArray<Matrix> // [out, in]
  readonly s: number
}

const STEPS = 4

const caseOf = (seed: number): Case => {
  const next = random(seed)
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  const r = seed % 5 === 0 ? 1 : integer(2, 6)
  const [out, columns] = [integer(r + 1, 24), integer(r + 1, 24)]
  return {
    name: `seed ${seed}: ${out}×${columns}, r = ${r}`,
    A: rounded(transpose(conditioned(columns, r, 1, next))),
    B: rounded(conditioned(out, r, 1, next)),
    // a mean that stays, and noise: moments matter
    G: (() => {
      const mean = randomMatrix(out, columns, next, 0.1)
      return Array.from({ length: STEPS }, () => combine([1, mean], [1, randomMatrix(out, columns, next, 0.05)]))
    })(),
    s: 2 ** integer(-1, 2)
  }
}

/** The factors after each step. */
const walk = (c: Case, transform: Transform) => stepsUnder(transform, c, c.G)

const optimizer = (options: LoraRiteOptions = {}) => chain(loraRite(options), scaleByLearningRate(RATE))

const product = ({ A, B }: Pick<Case, "A" | "B">): Matrix => times(B, A)
const relative = (x: Matrix, y: Matrix): number => norm(combine([1, x], [-1, y])) / norm(y)

/** One law over all cases; a failure names the case. */
const law = (name: string, check: (c: Case) => Promise<void>) => {
  test(name, async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const c = caseOf(seed)
      await check(c).catch((cause) => {
        throw new Error(`${c.name}: ${cause instanceof Error ? cause.message : String(cause)}`)
      })
    }
  })
}

const gauged = (c: Case, R: Matrix): Case => ({
  ...c,
  B: rounded(times(c.B, R)),
  A: rounded(times(inverse(R), c.A))
})

/** The largest difference of W's whole move between two splits of one BA, relative to the move. */
const distance = async (c: Case, R: Matrix, transform: () => Transform): Promise<number> => {
  const other = gauged(c, R)
  const [own, moved] = [await walk(c, transform()), await walk(other, transform())]
  const distances = own.map((pair, t) =>
    relative(combine([1, product(moved[t]!)], [-1, product(other)]), combine([1, product(pair)], [-1, product(c)]))
  )
  return Math.max(...distances)
}

// Some five times the worst measured (2.1e-6 of W's whole move, on each engine; cond 10 on both factors, 100 after a gauge).
const FLOAT32 = 1e-5

/** Of `laws`: LoRA-RITE as it is, with its options, and without bounds. */
const variants: ReadonlyArray<LoraRiteOptions> = [
  {},
  { escape: true, cap: 0.5, skip: 0.2 },
  { clipUnmagnified: null, skip: null }
]

const laws = () => {
  law("(1) W moves by the same for every gauge, at every step", async (c) => {
    const r = c.A.length
    const R = conditioned(r, r, 1, random(r))
    for (const options of variants) expect(await distance(c, R, () => optimizer(options))).toBeLessThan(FLOAT32)
  })

  law("(2) the first step of A has one singular value, η√in, in the basis of B", async (c) => {
    // ε beside the root of V, which is some 0.1
    const own = optimizer({ eps: 1e-12, clipUnmagnified: null, skip: null })
    const [first] = await walk({ ...c, G: c.G.slice(0, 1) }, own)
    const move = times(c.B, combine([1, first!.A], [-1, c.A]))
    const sigma = RATE * Math.sqrt(c.A[0]!.length)
    // M MᵀM = σ²M, cond 10 of V's root squared and one of B's
    expect(relative(times(move, transpose(move), move), combine([sigma * sigma, move]))).toBeLessThan(5 * FLOAT32)
    expect(Math.abs(norm(move) / (sigma * Math.sqrt(c.A.length)) - 1)).toBeLessThan(5 * FLOAT32)
  })

  law("(3) from B = 0 A stays for a step, B moves, and all of it is finite", async (c) => {
    const path = await walk({ ...c, B: combine([0, c.B]) }, optimizer())
    expect(path[0]!.A).toEqual(c.A)
    expect(norm(path[0]!.B)).toBeGreaterThan(0)
    expect(path.flatMap(({ A, B }) => [...A, ...B].flat()).every(Number.isFinite)).toBe(true)
    expect(path[1]!.A).not.toEqual(c.A)
  })

  test("(3) so it is where B's gradient has fewer than r directions: what round-off adds is none", async () => {
    const c = caseOf(1)
    const g = times(randomMatrix(6, 1, random(1)), randomMatrix(1, 16, random(2)))
    const path = await walk({ ...c, B: combine([0, c.B]), G: [g, g, g, g] }, optimizer())
    // A follows one direction of B by η/‖B‖; by round-off's directions it would move by a million times as much
    expect(norm(combine([1, path.at(-1)!.A], [-1, c.A]))).toBeLessThan(10)
  })

  test("(4) a gradient that is not finite makes the step of its pair none, at every entry", async () => {
    const c = caseOf(2)
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const spoiled = c.G[0]!.map((row, i) => row.map((x, j) => (i === 0 && j === 0 ? bad : x)))
      const [first] = await walk({ ...c, G: [spoiled] }, optimizer())
      expect([...first!.A, ...first!.B].flat().every(Number.isNaN)).toBe(true)
    }
  })

  law("(5) with balance ‖A‖ = ‖B‖ after a step, and BA is what it is without", async (c) => {
    const once = { ...c, B: rounded(combine([30, c.B])), G: c.G.slice(0, 1) }
    const [plain] = await walk(once, optimizer())
    const [even] = await walk(once, chain(optimizer(), balanceFactors))
    // 1e-6 is added to norms that are some 1, as in the authors' code
    expect(Math.abs(norm(even!.A) / norm(even!.B) - 1)).toBeLessThan(FLOAT32)
    expect(relative(product(even!), product(plain!))).toBeLessThan(FLOAT32)
  })
}

describeEverywhere("LoRA-RITE's laws", laws)
describe("LoRA-RITE's laws", () => describeOn("webgpu", laws))

test("law (1) is not empty: entrywise moments move W by something else", async () => {
  await tf.setBackend("cpu")
  const c = caseOf(2)
  const R = conditioned(c.A.length, c.A.length, 1, random(1))
  expect(await distance(c, R, () => chain(scaleByAdam(), scaleByLearningRate(RATE)))).toBeGreaterThan(0.1)
})
