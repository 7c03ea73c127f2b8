/**
 * Laws of the spectral optimizers, over random shapes, ranks and scales, on the real transforms in float32.
 *
 * LoRA-Muon, with η = 1:
 *   1  2s B·ΔA and 2s ΔB·A have all their singular values 1: neither s, nor the gradient's size, nor the factors' decide how far W moves
 *   2  W moves by the same for every gauge (BR, R⁻¹A), R invertible
 *   3  from B = 0, and where a factor lacks a direction, moves are finite, and no round-off grows in them
 *   4  what is no number is none, in its own pair alone
 *
 * LoRA-TSD, likewise:
 *   5  τ = 0 is LoRA-Pro's SGD form, number by number; and X is split by LoRA-Pro's choices without W's move changing
 *   6  W moves by the same for every gauge
 *   7  the 2r singular values of W's move come together as τ grows
 *   8  from B = 0 W moves by r singular values of 1; where a factor lacks a direction no round-off grows; as 3 and 4
 */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { DecidedOptimizer } from "../../schemas/index.ts"
import { fromConfig } from "../../src/optimizers/index.ts"
import { loraMuon } from "../../src/optimizers/lora-muon/transform.ts"
import { loraPro } from "../../src/optimizers/lora-pro/transform.ts"
import { tangentSigns } from "../../src/optimizers/lora-tsd/transform.ts"
import type { Transform } from "../../src/optimizers/transform.ts"
import { describeOn } from "../backends.ts"
import { describeEverywhere } from "../src/optimizers/everywhere.ts"
import {
  combine,
  conditioned,
  inverse,
  type Matrix,
  make,
  maxAbs,
  norm,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf, pairOf, treeOf } from "../src/optimizers/tensors.ts"

// Relative to the norm, or to 1: five times the worst measured (cond 10 on both factors, 100 after a gauge).
const FLOAT32 = 5e-6
/** δ where it shall not show: singular values are above 0.03. */
const NONE = 1e-12
/** Of a core of cond 100 and three iterations, whose signs have the direction of a small singular value only to 1e-7 times that. */
const GAUGED = 5e-5
/** With δ = 1e-8 as it is by default: a factor's weight misses 1 by δ/λ, 1e-5 at most, and its root by half of that. */
const DAMPED = 1e-4

interface Case {
  readonly name: string
  readonly A: Matrix // [r, in]
  readonly B: Matrix // [out, r]
  readonly g: Matrix // [out, in]
  readonly s: number
}

const caseOf = (seed: number): Case => {
  const next = random(seed)
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  const r = seed % 5 === 0 ? 1 : integer(2, 6)
  const [out, columns] = [integer(2 * r, 30), integer(2 * r, 30)]
  const magnitude = () => 10 ** (2 * next() - 1)
  return {
    name: `seed ${seed}: ${out}×${columns}, r = ${r}`,
    A: rounded(transpose(conditioned(columns, r, magnitude(), next))),
    B: rounded(conditioned(out, r, magnitude(), next)),
    // of any size at all
    g: rounded(randomMatrix(out, columns, next, 10 ** (12 * next() - 6))),
    s: 2 ** integer(-1, 3)
  }
}

interface Moves {
  readonly dA: Matrix
  readonly dB: Matrix
}

const pairsOf = ({ A, B, g, s }: Case) => ({
  params: pairOf(A, B, s),
  gradients: pairOf(combine([s, times(transpose(B), g)]), combine([s, times(g, transpose(A))]), s)
})

const movesOf = async (transform: Transform, ...cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Moves>> => {
  const pairs = cases.map(pairsOf)
  const params = treeOf(...pairs.map((one) => one.params))
  const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
  const moved = transform.update(treeOf(...pairs.map(({ gradients }) => gradients)), state, params).updates.pairs
  return Promise.all(moved.map(async ({ A, B }) => ({ dA: await matrixOf(A), dB: await matrixOf(B) })))
}

const moveOf = async (transform: Transform, c: Case): Promise<Moves & { readonly W: Matrix }> => {
  const [moved] = await movesOf(transform, c)
  return { ...moved!, W: combine([c.s, times(c.B, moved!.dA)], [c.s, times(moved!.dB, c.A)]) }
}

const gauged = (c: Case): Case => {
  const r = c.A.length
  const R = conditioned(r, r, 1, random(r))
  return { ...c, B: rounded(times(c.B, R)), A: rounded(times(inverse(R), c.A)) }
}

const relative = (x: Matrix, y: Matrix): number => norm(combine([1, x], [-1, y])) / norm(y)

/** How far the r nonzero singular values of a matrix are from 1: M MᵀM = M and ‖M‖² = r. */
const fromOnes = (M: Matrix, r: number): number =>
  Math.max(relative(times(M, transpose(M), M), M), Math.abs(norm(M) ** 2 - r))

/** One law over all cases; a failure names the case. */
const law = (name: string, check: (c: Case) => Promise<void>) => {
  test(name, async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const c = caseOf(seed)
      await check(c).catch((cause) => {
        throw new Error(`${c.name}: ${cause instanceof Error ? cause.message : String(cause)}`)
      })
    }
  })
}

/** B = B' Pᵀ, of rank r − 1: what it lacks is the last direction of a rotated basis. */
const lackingOf = (c: Case): Case => {
  const r = c.A.length
  const rotation = transpose(conditioned(r, r, 1, random(1)))
  const fewer = c.B.map((row) => row.map((x, i) => (i === r - 1 ? 0 : x)))
  return { ...c, B: rounded(times(fewer, rotation)) }
}

const withoutB = (c: Case): Case => ({ ...c, B: make(c.B.length, c.A.length, () => 0) })

/** What is no number is none, in its own pair alone. */
const hidesNothing = async (transform: Transform) => {
  const [one, two] = [caseOf(2), caseOf(3)]
  const [expected] = await movesOf(transform, one, one)
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const broken = two.g.map((row, i) => row.map((x, j) => (i === 0 && j === 0 ? bad : x)))
    const [healthy, ill] = await movesOf(transform, one, { ...two, g: broken })
    expect(healthy).toEqual(expected!)
    expect([...ill!.dA.flat(), ...ill!.dB.flat()].some(Number.isNaN)).toBe(true)
    // beside one of its own shape
    const [same, lost] = await movesOf(transform, one, { ...one, g: one.g.map((row) => row.map(() => bad)) })
    expect(same).toEqual(expected!)
    expect(lost!.dA.flat().every(Number.isNaN)).toBe(true)
  }
}

const muonLaws = () => {
  const muon = loraMuon({ damping: NONE })

  law("(1) each factor's half moves W by r singular values of ½", async (c) => {
    const { dA, dB } = await moveOf(muon, c)
    expect(fromOnes(combine([2 * c.s, times(c.B, dA)]), c.A.length)).toBeLessThan(FLOAT32)
    expect(fromOnes(combine([2 * c.s, times(dB, c.A)]), c.A.length)).toBeLessThan(FLOAT32)
  })

  law("(2) W moves by the same for every gauge", async (c) => {
    expect(relative((await moveOf(muon, gauged(c))).W, (await moveOf(muon, c)).W)).toBeLessThan(FLOAT32)
  })

  law("(3) from B = 0: A stays, and B moves W by ½", async (c) => {
    const { dA, dB } = await moveOf(loraMuon(), withoutB(c))
    expect(maxAbs(dA)).toBe(0)
    expect(fromOnes(combine([2 * c.s, times(dB, c.A)]), c.A.length)).toBeLessThan(DAMPED)
  })

  law("(3) where B lacks a direction A does not move there", async (c) => {
    if (c.A.length === 1) return
    const { dA, dB } = await moveOf(loraMuon(), lackingOf(c))
    // δ^-½ is 1e4: a root without the weight makes this some thousands
    expect(norm(dA)).toBeLessThan(30 * norm((await moveOf(loraMuon(), c)).dA))
    expect(fromOnes(combine([2 * c.s, times(dB, c.A)]), c.A.length)).toBeLessThan(DAMPED)
  })

  test("(4) what is no number is none, in its own pair alone", () => hidesNothing(muon))
}

const tsdLaws = () => {
  const tsd = (tau: number, x: "sylvester" | "zero" | "symmetric" = "sylvester", damping = NONE) =>
    loraPro({ inner: tangentSigns({ tau, damping }), x, damping })

  law("(5) τ = 0 and no momentum: LoRA-Pro's SGD form", async (c) => {
    const common = { learningRate: 1, weightDecay: 0, clipNorm: null, damping: 1e-8, x: "sylvester" } as const
    const rest = { schedule: { kind: "constant" }, betas: [0.9, 0.999], epsilon: 1e-8 } as const
    const made = (config: DecidedOptimizer) => Effect.runPromise(fromConfig(config, 1))
    const found = await made({ kind: "lora-tsd", tau: 0, momentum: 0, ...common, ...rest })
    const expected = await made({ kind: "lora-pro", form: "sgd", ...common, ...rest })
    expect(await movesOf(found, c)).toEqual(await movesOf(expected, c))
  })

  law("(5) every iteration stays on LoRA-Pro's tangent space, however X is split", async (c) => {
    const { W } = await moveOf(tsd(2), c)
    for (const x of ["zero", "symmetric"] as const) {
      expect(relative((await moveOf(tsd(2, x), c)).W, W)).toBeLessThan(FLOAT32)
    }
  })

  law("(6) W moves by the same for every gauge", async (c) => {
    expect(relative((await moveOf(tsd(3), gauged(c))).W, (await moveOf(tsd(3), c)).W)).toBeLessThan(GAUGED)
  })

  law("(7) singular values come together as τ grows", async (c) => {
    const spread = async (tau: number) => fromOnes((await moveOf(tsd(tau), c)).W, 2 * c.A.length)
    // halved by each: an iteration sets a block to 0 that the ones before have made small
    expect(await spread(3)).toBeLessThan(0.2)
    // 6e-6 at most, where the core's columns are all that W has rows
    expect(await spread(24)).toBeLessThan(2e-5)
  })

  law("(8) from B = 0: A stays, and W moves by r singular values of 1", async (c) => {
    const { dA, W } = await moveOf(tsd(3, "sylvester", 1e-8), withoutB(c))
    expect(maxAbs(dA)).toBe(0)
    expect(fromOnes(W, c.A.length)).toBeLessThan(DAMPED)
  })

  law("(8) where B lacks a direction A does not move there", async (c) => {
    if (c.A.length === 1) return
    const own = tsd(3, "sylvester", 1e-8)
    const { dA } = await moveOf(own, lackingOf(c))
    expect(norm(dA)).toBeLessThan(30 * norm((await moveOf(own, c)).dA))
  })

  test("(8) what is no number is none, in its own pair alone", () => hidesNothing(tsd(3)))
}

const laws = () => {
  describe("LoRA-Muon's laws", muonLaws)
  describe("LoRA-TSD's laws", tsdLaws)
}

describeEverywhere("spectral optimizers", laws)
describe("spectral optimizers", () => describeOn("webgpu", laws))
