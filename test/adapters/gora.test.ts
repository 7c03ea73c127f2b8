/**
 * GoRA: importance, ranks and B are those of the golden file; s·BA is the step that it should be whatever the rank; and what cannot
 * start says why and leaves nothing behind.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { Calibrate } from "../../adapters/index.ts"
import { gora } from "../../adapters/init/gora.ts"
import type { LoraInit } from "../../schemas/index.ts"
import { randomStream } from "../../src/numbers/random.ts"
import type { LinearSite } from "../../src/tensors/index.ts"
import { describeOnEach } from "../backends.ts"
import golden from "../golden/lora_pro/init_gora.json"
import { expectNoLeak } from "../setup.ts"
import { combine, deviation, type Matrix, orthonormal, times, transpose } from "../src/optimizers/matrix.ts"
import { matrixOf, tensorOf } from "../src/optimizers/tensors.ts"

type Gora = Extract<LoraInit, { readonly kind: "gora" }>

const { least, most, pair } = golden
const config: Gora = { kind: "gora", batches: 2, gamma: pair.gamma, minRank: least, maxRank: most }

const sites = golden.sites.map(({ out, in: inputs, rank, W, g }, i) => ({
  site: { name: `site.${i}`, kind: "dense", out, in: inputs } as const,
  options: { rank, alpha: 5, scaling: "standard" } as const,
  W,
  g
}))

/** Answers of all sites; `change` makes other gradients of them. */
const answering =
  (change: (g: Matrix, site: LinearSite) => Matrix = (g) => g): Calibrate =>
  (site) =>
    Effect.sync(() => tensorOf(change(sites.find((own) => own.site.name === site.name)!.g, site)))

const decide = (calibrate: Calibrate, own: Gora = config) => {
  const weights = sites.map(({ W }) => tensorOf(W))
  const sourceOf = (site: LinearSite) => ({
    W: weights[sites.findIndex((one) => one.site.name === site.name)]!,
    bias: null,
    random: randomStream(0, "ranks"),
    calibrate
  })
  return gora.ranks!(own)!
    .decide(sites, sourceOf)
    .pipe(Effect.ensuring(Effect.sync(() => tf.dispose(weights))))
}

const start = (calibrate: Calibrate, rank: number, scale: number) => {
  const { site } = sites[0]!
  const W = tf.zeros<tf.Rank.R2>([site.out, site.in])
  const source = { W, bias: null, random: randomStream(0, site.name), calibrate }
  return gora.init(config, { site, rank, scale }, source).pipe(Effect.ensuring(Effect.sync(() => W.dispose())))
}

/** −γ√(in/r)·g·P with P the projection on the rows of A. */
const stepWithin = (A: Matrix, g: Matrix, gamma: number): Matrix => {
  const Q = orthonormal(transpose(A))
  return combine([-gamma * Math.sqrt(A[0]!.length / A.length), times(g, Q, transpose(Q))])
}

describeOnEach(() => {
  test("ranks are those of the golden file, and every site is asked for its gradient, to ask again", () =>
    expectNoLeak(async () => {
      const asked: Array<unknown> = []
      const calibrate: Calibrate = (site, wanted) => {
        asked.push([site.name, wanted.what, wanted.batches])
        return answering()(site, wanted)
      }
      expect(await Effect.runPromise(decide(calibrate))).toEqual(golden.ranks)
      expect(asked).toEqual(sites.map(({ site }) => [site.name, "gradient", 2]))
      // importance is a share: the size of all gradients does not matter
      const larger = answering((g) => combine([1000, g]))
      expect(await Effect.runPromise(decide(larger))).toEqual(golden.ranks)
    }))

  test("B is that of the golden file for its A, and s·BA one step whatever rank and scale are", () =>
    expectNoLeak(async () => {
      const g = sites[0]!.g
      for (const [rank, scale] of [
        [4, pair.s],
        [1, 0.5],
        [10, 2]
      ] as const) {
        const started = await Effect.runPromise(start(answering(), rank, scale))
        const [A, B] = [await matrixOf(started.A), await matrixOf(started.B)]
        tf.dispose([started.A, started.B])
        // GAᵀ is rounded to float32, and at full rank AAᵀ has a condition of up to 1e3 to make more of it
        const bound = rank === 10 ? 1e-3 : 1e-5
        expect(deviation(combine([scale, times(B, A)]), stepWithin(A, g, pair.gamma))).toBeLessThan(bound)
        const largest = Math.max(...A.flat().map(Math.abs))
        expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(sites[0]!.site.in))
      }
      // the golden file's A is not ours: its B is what the same equation says
      expect(deviation(combine([pair.s, times(pair.B, pair.A)]), stepWithin(pair.A, g, pair.gamma))).toBeLessThan(1e-6)
    }))
})

describe("bounds", () => {
  const { site } = sites[0]!
  const bounds = (rank: number, own: Partial<Gora>, at: LinearSite = site) => {
    const { minRank: _, maxRank: __, ...plain } = config
    return gora.ranks!({ ...plain, ...own })!.bounds({ site: at, options: { rank, alpha: 1, scaling: "standard" } })
  }

  test("are half and four times the plan's rank, and the site's smaller side", () => {
    expect(bounds(2, {})).toEqual({ least: 1, planned: 2, most: 8 })
    expect(bounds(3, {})).toEqual({ least: 1, planned: 3, most: 10 })
    expect(bounds(1, {})).toEqual({ least: 1, planned: 1, most: 4 })
    expect(bounds(2, { minRank: 2, maxRank: 2 })).toEqual({ least: 2, planned: 2, most: 2 })
  })

  test("that cannot be kept are told", () => {
    const problem = (rank: number, own: Partial<Gora>) => gora.problem!(site, rank, { ...config, ...own })
    expect(problem(4, { minRank: 1, maxRank: 64 })).toBeUndefined()
    expect(problem(4, { minRank: 11 })).toBe(
      'init "gora" cannot give site.0 its minRank 11: W is [12, 10], so at most 10'
    )
    expect(problem(2, { minRank: 3 })).toBe(
      'rank 2 at site.0 is a smaller budget than minRank 3 of init "gora" takes; expected at least 3, or a smaller minRank'
    )
    expect(problem(7, { maxRank: 6 })).toBe(
      'rank 7 at site.0 is larger than maxRank 6 of init "gora"; expected at most 6, or a larger maxRank'
    )
  })
})

describe("cannot start", () => {
  const zero = answering((g) => g.map((row) => row.map(() => 0)))
  const broken = answering((g, { name }) => (name === "site.0" ? g.map((row) => row.map(() => Number.NaN)) : g))

  test("where all gradients are 0; where one is, that site has the least rank and plain LoRA's start", () =>
    expectNoLeak(async () => {
      const error = await Effect.runPromise(Effect.flip(decide(zero)))
      expect(error.message).toStartWith(
        'adapter.init "gora" cannot initialize any layer: its gradient over the first 2 '
      )
      const first = answering((g, { name }) => (name === "site.0" ? g.map((row) => row.map(() => 0)) : g))
      expect((await Effect.runPromise(decide(first)))[0]).toBe(least)
      const started = await Effect.runPromise(start(first, 2, 1))
      expect(await started.B.data()).toEqual(new Float32Array(2 * sites[0]!.site.out))
      tf.dispose([started.A, started.B])
    }))

  test("from a gradient that is not finite", () =>
    expectNoLeak(async () => {
      const errors = [Effect.asVoid(decide(broken)), Effect.asVoid(start(broken, 2, 1))]
      for (const failing of errors) {
        const error = await Effect.runPromise(Effect.flip(failing))
        expect(error.message).toContain(
          "cannot initialize site.0: its gradient over the first 2 training batches is not finite"
        )
      }
    }))
})
