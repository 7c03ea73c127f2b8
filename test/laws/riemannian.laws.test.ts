/**
 * Laws of Riemannian preconditioning, over random shapes, ranks and scales, on the real transform in float32.
 *
 *   1  dA = (BᵀB+δI)⁻¹ gA and dB = gB (AAᵀ+δI)⁻¹
 *   2  δ → 0: W moves by s²(P_B g + g P_A)
 *   3  δ → 0: and by the same for every gauge (BR, R⁻¹A), R invertible
 *   4  what `direction` gives is what `update` gives
 *
 * The oracle is float64 and shares nothing with the source: inverses by Gaussian elimination, projectors by QR.
 */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { riemannian } from "../../src/optimizers/riemannian/transform.ts"
import { describeOn } from "../backends.ts"
import { describeEverywhere } from "../src/optimizers/everywhere.ts"
import {
  combine,
  conditioned,
  deviation,
  identity,
  inverse,
  type Matrix,
  norm,
  orthonormal,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf, pairOf, treeOf } from "../src/optimizers/tensors.ts"

// Relative to the largest entry, or to the norm: some five times the worst measured (6e-7; cond 10 on both factors, 100
// after a gauge).
const FLOAT32 = 3e-6
/** δ where it shall not show: singular values are above 0.03. */
const NONE = 1e-12

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
  const r = seed % 5 === 0 ? 1 : integer(1, 8)
  const [out, columns] = [seed % 7 === 0 ? r : integer(r, 40), integer(r, 40)]
  const magnitude = () => 10 ** (2 * next() - 1)
  return {
    name: `seed ${seed}: ${out}×${columns}, r = ${r}`,
    A: rounded(transpose(conditioned(columns, r, magnitude(), next))),
    B: rounded(conditioned(out, r, magnitude(), next)),
    g: rounded(randomMatrix(out, columns, next, magnitude())),
    s: 2 ** integer(-1, 3)
  }
}

const gradientsOf = ({ A, B, g, s }: Case) => ({
  gA: combine([s, times(transpose(B), g)]),
  gB: combine([s, times(g, transpose(A))])
})

const directionsOf = async (c: Case, damping: number, through: "update" | "direction" = "update") => {
  const { gA, gB } = gradientsOf(c)
  const transform = riemannian({ damping })
  const params = treeOf(pairOf(c.A, c.B, c.s))
  const gradients = treeOf(pairOf(gA, gB, c.s))
  const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
  const moved =
    through === "update"
      ? transform.update(gradients, state, params).updates
      : transform.direction!(gradients, state, params)
  return { dA: await matrixOf(moved.pairs[0]!.A), dB: await matrixOf(moved.pairs[0]!.B) }
}

/** s·B·dA + s·dB·A: how W moves. */
const moveOf = async (c: Case): Promise<Matrix> => {
  const { dA, dB } = await directionsOf(c, NONE)
  return combine([c.s, times(c.B, dA)], [c.s, times(dB, c.A)])
}

/** s²(P_B g + g P_A) */
const expectedMove = ({ A, B, g, s }: Case): Matrix => {
  const [QB, QA] = [orthonormal(B), orthonormal(transpose(A))]
  return combine([s * s, times(QB, transpose(QB), g)], [s * s, times(g, QA, transpose(QA))])
}

const relative = (x: Matrix, y: Matrix): number => norm(combine([1, x], [-1, y])) / norm(y)

/** One law over all cases; a failure names the case. */
const law = (name: string, check: (c: Case) => Promise<void>) => {
  test(name, async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const c = caseOf(seed)
      await check(c).catch((cause) => {
        throw new Error(`${c.name}: ${cause instanceof Error ? cause.message : String(cause)}`)
      })
    }
  })
}

const laws = () => {
  for (const damping of [1e-6, 1e-2, 1]) {
    law(`(1) gradients times the inverse Gram of the other factor, δ = ${damping}`, async (c) => {
      const { gA, gB } = gradientsOf(c)
      const damped = (gram: Matrix) => inverse(combine([1, gram], [damping, identity(c.A.length)]))
      const { dA, dB } = await directionsOf(c, damping)
      expect(deviation(dA, times(damped(times(transpose(c.B), c.B)), gA))).toBeLessThan(FLOAT32)
      expect(deviation(dB, times(gB, damped(times(c.A, transpose(c.A)))))).toBeLessThan(FLOAT32)
    })
  }

  law("(2) W moves by both projections of g", async (c) => {
    expect(relative(await moveOf(c), expectedMove(c))).toBeLessThan(FLOAT32)
  })

  law("(3) and by the same for every gauge", async (c) => {
    const r = c.A.length
    const R = conditioned(r, r, 1, random(r))
    const gauged = { ...c, B: rounded(times(c.B, R)), A: rounded(times(inverse(R), c.A)) }
    expect(relative(await moveOf(gauged), expectedMove(c))).toBeLessThan(FLOAT32)
    // plain gradients do move W differently then, so that equal moves mean something
    if (r === 1) return
    const plain = ({ A, B, g }: Case) => combine([1, times(B, transpose(B), g)], [1, times(g, transpose(A), A)])
    expect(relative(plain(gauged), plain(c))).toBeGreaterThan(0.01)
  })

  law("(4) direction and update say the same", async (c) => {
    expect(await directionsOf(c, 1e-6, "direction")).toEqual(await directionsOf(c, 1e-6))
  })
}

describeEverywhere("Riemannian preconditioning's laws", laws)
describe("Riemannian preconditioning's laws", () => describeOn("webgpu", laws))
