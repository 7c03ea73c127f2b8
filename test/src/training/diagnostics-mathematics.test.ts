/**
 * The mathematics of a look at one site, in float64: every number against its definition written out with matrices
 * [out, in], projectors from other code, and the laws that hold between them.
 */
import { describe, expect, test } from "bun:test"
import { type SiteSample, siteDiagnostics } from "../../../src/training/diagnostics/site.ts"
import { type HostFactors, type HostMatrix, project, tangentSpace } from "../../../src/training/diagnostics/tangent.ts"
import { theoremTolerance, theoremWarning } from "../../../src/training/diagnostics/theorem.ts"
import {
  combine,
  conditioned,
  identity,
  inner,
  inverse,
  type Matrix,
  make,
  norm,
  orthonormal,
  random,
  randomMatrix,
  shapeOf,
  times,
  transpose
} from "../optimizers/matrix.ts"

/**
 * Float64 through two products with cond 10: a thousand roundings. The square roots of a discrepancy near 0 would be
 * worse: there is none here.
 */
const ROUNDING = 1e-12

const host = (M: Matrix): HostMatrix => ({ values: M.flat(), rows: shapeOf(M)[0], columns: shapeOf(M)[1] })
const factors = ({ A, B }: Pair): HostFactors => ({ A: host(A), B: host(B) })

interface Pair {
  readonly A: Matrix
  readonly B: Matrix
}

interface Given {
  readonly pair: Pair
  readonly g: Matrix
  readonly s: number
  readonly direction: Pair
  readonly move: Pair
  readonly start?: Pair
  readonly damping?: number
}

const look = ({ pair, g, s, direction, move, start, damping }: Given) => {
  const space = tangentSpace(factors(pair))
  const sample: SiteSample = {
    site: "a.site",
    scale: s,
    factors: factors(pair),
    start: start === undefined ? undefined : factors(start),
    space,
    projected: project(space, host(g)),
    direction: factors(direction),
    move: factors(move),
    damping: damping ?? null,
    theorem: damping !== undefined
  }
  return siteDiagnostics(sample)
}

const caseOf = (seed: number): Given => {
  const next = random(seed)
  const [out, columns, r] = [6 + (seed % 9), 5 + (seed % 7), 1 + (seed % 4)]
  const pair = (): Pair => ({ A: randomMatrix(r, columns, next), B: randomMatrix(out, r, next) })
  return {
    pair: { A: transpose(conditioned(columns, r, 1, next)), B: conditioned(out, r, 1, next) },
    g: randomMatrix(out, columns, next),
    s: 0.5 + 3 * next(),
    direction: pair(),
    move: pair()
  }
}

const projector = (M: Matrix) => {
  const Q = orthonormal(M)
  return times(Q, transpose(Q))
}

const onTangent = ({ A, B }: Pair, g: Matrix): Matrix => {
  const [PB, PA] = [projector(B), projector(transpose(A))]
  return combine([1, times(PB, g)], [1, times(g, PA)], [-1, times(PB, g, PA)])
}

const moved = ({ A, B }: Pair, { A: dA, B: dB }: Pair, s: number): Matrix =>
  combine([s, times(B, dA)], [s, times(dB, A)])

const cosine = (x: Matrix, y: Matrix) => inner(x, y) / norm(x) / norm(y)
const distance = (g: Matrix, x: Matrix) => norm(combine([1, g], [-1, x])) / norm(g)
const near = (actual: number | null, expected: number, bound = ROUNDING) =>
  expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(bound * Math.max(1, Math.abs(expected)))

const SEEDS = Array.from({ length: 30 }, (_, i) => i + 1)

describe("a site's numbers are what they say", () => {
  for (const seed of SEEDS) {
    const given = caseOf(seed)
    const { pair, g, s, direction, move } = given
    test(`seed ${seed}: [${shapeOf(g)}], r = ${pair.A.length}`, () => {
      const found = look(given)
      const made = moved(pair, direction, s)
      const best = onTangent(pair, g)
      near(found.gradNorm, norm(g))
      near(found.method.discrepancy, distance(g, made))
      near(found.method.cosine, cosine(g, made))
      const factor = inner(g, made) / inner(made, made)
      near(
        found.method.scaledDiscrepancy,
        distance(
          g,
          made.map((row) => row.map((value) => factor * value))
        )
      )
      near(found.best.discrepancy, distance(g, best))
      near(found.best.cosine, cosine(g, best))
      near(found.stepCosine, -cosine(g, moved(pair, move, s)))
      near(found.gauge, norm(pair.A) / norm(pair.B))
      // nothing in the tangent space is nearer to g than the projection
      expect(found.method.scaledDiscrepancy!).toBeGreaterThanOrEqual(found.best.discrepancy! - ROUNDING)
      expect(found.method.scaledDiscrepancy!).toBeLessThanOrEqual(found.method.discrepancy! + ROUNDING)
    })
  }
})

describe("LoRA-Pro's theorem", () => {
  /** Theorem 2.1 with a random X, and every inverse damped. */
  const directionOf = ({ pair: { A, B }, g, s }: Given, damping: number, X: Matrix): Pair => {
    const r = A.length
    const damped = (gram: Matrix) => inverse(combine([1, gram], [damping, identity(r)]))
    const [iB, iA] = [damped(times(transpose(B), B)), damped(times(A, transpose(A)))]
    const [gA, gB] = [times(transpose(B), g), times(g, transpose(A))]
    const outside = combine([1, identity(B.length)], [-1, times(B, iB, transpose(B))])
    return {
      A: combine([1 / s, times(iB, gA)], [1, times(X, A)]),
      B: combine([1 / s, times(outside, gB, iA)], [-1, times(B, X)])
    }
  }

  for (const damping of [1e-14, 0.05]) {
    test(`its directions are those of the projection damped by ${damping}, whatever X`, () => {
      for (const seed of SEEDS) {
        const given = caseOf(seed)
        const X = randomMatrix(given.pair.A.length, given.pair.A.length, random(seed + 100))
        const { theorem, method, best } = look({ ...given, damping, direction: directionOf(given, damping, X) })
        expect(theorem!.fromDamped!).toBeLessThan(ROUNDING)
        // λ_min is 0.09 at least
        const bound = 2 * (damping / (0.09 + damping))
        expect(theorem!.fromProjection!).toBeLessThan(bound + ROUNDING)
        if (damping > 1e-3) expect(theorem!.fromProjection!).toBeGreaterThan(1e-3)
        else near(method.discrepancy, best.discrepancy!, 1e-11)
      }
    })
  }

  test("law 8: at B = 0 the projection is g P_A, and the damping of B plays no part", () => {
    const given = caseOf(7)
    const zero = make(given.g.length, given.pair.A.length, () => 0)
    const pair = { A: given.pair.A, B: zero }
    const start = { ...given, pair, damping: 1e-14 }
    const PA = projector(transpose(pair.A))
    const found = look({ ...start, direction: { A: given.direction.A, B: directionOf(start, 1e-14, zeros(pair)).B } })
    near(found.best.discrepancy, distance(given.g, times(given.g, PA)))
    expect(found.theorem!.fromDamped!).toBeLessThan(ROUNDING)
    expect(found.theorem!.tolerance).not.toBeNull()
    expect(found).toMatchObject({ B: { smallest: 0, largest: 0, condition: null }, gauge: null, effectiveRank: null })
    expect(JSON.parse(JSON.stringify(found))).toEqual(found)
  })

  const zeros = ({ A }: Pair) => make(A.length, A.length, () => 0)

  test("a direction that is wrong by 1e-4 is told, with the site and the numbers; the right one is not", () => {
    const given = caseOf(4)
    const right = directionOf(given, 1e-14, zeros(given.pair))
    const warning = (direction: Pair) => theoremWarning(look({ ...given, damping: 1e-14, direction }), 12)
    expect(warning(right)).toBeUndefined()
    const wrong = { A: right.A.map((row) => row.map((value) => value * (1 + 1e-4))), B: right.B }
    expect(warning(wrong)).toMatch(
      /^step 12, a\.site: LoRA-Pro's equivalent gradient is \d(\.\d)?e-5 of ‖g‖ from the damped/
    )
  })

  test("the tolerance grows with the condition, as far as damping lets it, and ends where it says nothing", () => {
    const spectrum = (smallest: number) => ({ smallest, largest: 1, condition: 1 / smallest })
    const of = (smallest: number, damping: number) =>
      theoremTolerance({ A: spectrum(1), B: spectrum(smallest) }, damping)
    expect(of(1, 0)).toBeCloseTo(45 * 2 ** -23, 12)
    expect(of(1e-3, 0)).toBeCloseTo(5040 * 2 ** -23, 12)
    expect(of(1e-6, 0)).toBeNull()
    expect(of(1e-6, 1e-6)).toBeCloseTo(5040 * 2 ** -23, 9)
  })
})

describe("spectra", () => {
  const diagonal = (rows: number, columns: number, values: ReadonlyArray<number>) =>
    make(rows, columns, (i, j) => (i === j ? (values[i] ?? 0) : 0))
  const pairOf = (ofB: ReadonlyArray<number>, ofA: ReadonlyArray<number>): Given => ({
    ...caseOf(3),
    pair: { A: diagonal(2, 5, ofA), B: diagonal(6, 2, ofB) },
    g: randomMatrix(6, 5, random(1)),
    direction: { A: diagonal(2, 5, [1]), B: diagonal(6, 2, []) },
    move: { A: diagonal(2, 5, [1]), B: diagonal(6, 2, []) }
  })

  test("σ of the factors, and exp of the entropy of those of BA", () => {
    const found = look(pairOf([3, 0.5], [2, 4]))
    expect(found.B).toEqual({ smallest: 0.5, largest: 3, condition: 6 })
    expect(found.A).toEqual({ smallest: 2, largest: 4, condition: 2 })
    // σ(BA) = 6, 2: p = 3/4, 1/4
    near(found.effectiveRank, Math.exp(-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25))))
    near(look(pairOf([1, 1], [1, 1])).effectiveRank, 2)
    near(look(pairOf([1, 0], [1, 1])).effectiveRank, 1)
  })

  test("without full rank: 0 and no condition", () => {
    expect(look(pairOf([3, 0], [2, 4])).B).toEqual({ smallest: 0, largest: 3, condition: null })
  })

  test("of a pair that subtracts its start, the effective rank is that of what it adds", () => {
    const given = pairOf([3, 0.5], [2, 4])
    // BA − B₀A₀ = diag(6, 2) − diag(0, 2)
    const start = { A: diagonal(2, 5, [0, 4]), B: diagonal(6, 2, [0, 0.5]) }
    near(look({ ...given, start }).effectiveRank, 1)
    expect(look({ ...given, start: given.pair }).effectiveRank).toBeNull()
  })

  test("λ_min(BᵀB)/δ where there is a damping", () => {
    near(look({ ...pairOf([3, 0.5], [2, 4]), damping: 0.01 }).conditioning, 25)
    expect(look(pairOf([3, 0.5], [2, 4])).conditioning).toBeNull()
  })
})

test("a gradient of zero, factors of zero and a direction of zero give no number that JSON does not have", () => {
  const given = caseOf(5)
  const nothing = (M: Matrix) => M.map((row) => row.map(() => 0))
  const none = { A: nothing(given.pair.A), B: nothing(given.pair.B) }
  const cases: ReadonlyArray<Given> = [
    { ...given, g: nothing(given.g), damping: 0 },
    { ...given, pair: none, damping: 0 },
    { ...given, pair: none, damping: 1e-8 },
    { ...given, direction: none, move: none, damping: 0 }
  ]
  for (const one of cases) {
    const found = look(one)
    expect(JSON.parse(JSON.stringify(found))).toEqual(found)
  }
  const still = look({ ...given, direction: none, move: none })
  expect(still.method).toEqual({ discrepancy: 1, scaledDiscrepancy: 1, cosine: null })
  expect(still.stepCosine).toBeNull()
})
