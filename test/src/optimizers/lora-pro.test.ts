/**
 * LoRA-Pro's theorem against values computed elsewhere with 50 digits, and its manners as a transform. Every quantity has a
 * bound of its own, because float32 does not lose the same everywhere.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import * as Effect from "effect/Effect"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import {
  equivalentGradient,
  freeMatrix,
  loraPro,
  theorem,
  type XChoice
} from "../../../src/optimizers/lora-pro/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../../src/optimizers/transform.ts"
import { readGrams, whiten } from "../../../src/optimizers/whitening.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { describeEverywhere } from "./everywhere.ts"
import {
  combine,
  conditioned,
  deviation,
  identity,
  inverse,
  type Matrix,
  norm,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "./matrix.ts"
import { matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

const folder = new URL("../../golden/lora_pro/", import.meta.url)
const load = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as T
const files = (prefix: string) => readdirSync(folder).filter((name) => name.startsWith(prefix))

interface Directions {
  readonly X: Matrix
  readonly gA: Matrix
  readonly gB: Matrix
}

interface Projection {
  readonly kind: string
  readonly s: number
  readonly A: Matrix
  readonly B: Matrix
  readonly gA_lora: Matrix
  readonly gB_lora: Matrix
  readonly variants: ReadonlyArray<{
    readonly delta: number
    readonly x: { readonly [X in XChoice]: Directions }
    readonly g_tilde: Matrix
  }>
}

interface Bounds {
  readonly X: number
  readonly gA: number
  readonly gB: number
  readonly g: number
}

// Ten times the worst measured (3e-7, wasm): a handful of float32 roundings (6e-8) on well-conditioned factors. B = 0 and a zero column of
// B need no bound of their own: their exact zeros stay exact.
const WELL_CONDITIONED: Bounds = { X: 3e-6, gA: 3e-6, gB: 3e-6, g: 3e-6 }
// σ_min(B) = 1e-5, σ² ≪ δ. The gradient's component along that direction is 1e-5 of the rest, so rounding gA to float32 alone
// disturbs it by 6e-8/1e-5 = 6e-3, and it dominates dA and X. In dB and g̃ the damping takes it back by σ/√δ.
const NEAR_SINGULAR: Bounds = { X: 2e-2, gA: 2e-2, gB: 1e-4, g: 1e-4 }

const boundsFor = (kind: string): Bounds => (kind === "near_singular_B" ? NEAR_SINGULAR : WELL_CONDITIONED)

describeEverywhere("LoRA-Pro's theorem", () => {
  const projections = files("projection_")

  test("the golden files are there", () => {
    expect(projections.length).toBe(7)
  })

  for (const file of projections) {
    const golden = load<Projection>(file)
    for (const variant of golden.variants) {
      test(`${file}, δ = ${variant.delta}: dA, dB, X and g̃ equal the golden values`, async () => {
        const pair = pairOf(golden.A, golden.B, golden.s)
        const gradient = pairOf(golden.gA_lora, golden.gB_lora)
        const [grams] = await Effect.runPromise(readGrams([pair]))
        const { whitening } = whiten(grams!, golden.s, variant.delta)
        const bounds = boundsFor(golden.kind)
        for (const x of ["zero", "sylvester", "symmetric"] as const) {
          const expected = variant.x[x]
          const found = theorem(pair, gradient, whitening, x)
          expect(deviation(await matrixOf(found.A), expected.gA)).toBeLessThan(bounds.gA)
          expect(deviation(await matrixOf(found.B), expected.gB)).toBeLessThan(bounds.gB)
          expect(deviation(await matrixOf(freeMatrix(pair, gradient, whitening, x)), expected.X)).toBeLessThan(bounds.X)
        }
        const g = await matrixOf(equivalentGradient(pair, gradient, whitening))
        expect(deviation(g, variant.g_tilde)).toBeLessThan(bounds.g)
      })
    }
  }
})

/** Adam's step is about as long as the rate, however small what it is given. */
const RATE = 1e-3

describeEverywhere("LoRA-Pro with X = 0 where B is square", () => {
  /** σ of B lies between `size` and a tenth of it. */
  const given = (r: number, inputs: number, size: number, out = r) => {
    const next = random(31 * r + out)
    const [A, B] = [rounded(randomMatrix(r, inputs, next)), rounded(conditioned(out, r, size, next))]
    const gradients = treeOf(pairOf(rounded(randomMatrix(r, inputs, next)), rounded(randomMatrix(out, r, next)), 2))
    return { A, B, gradients, params: treeOf(pairOf(A, B, 2)) }
  }
  /** A and B after some steps. */
  const trained = async (transform: Transform, { gradients, params }: ReturnType<typeof given>, steps: number) => {
    const optimizer = chain(transform, scaleByLearningRate(RATE))
    let run: Run = { params, state: optimizer.init(params) }
    for (let step = 0; step < steps; step++) run = await takeStep(optimizer, run, gradients)
    const [pair] = run.params.pairs
    return { A: await matrixOf(pair!.A), B: await matrixOf(pair!.B) }
  }
  const efficient = (x: XChoice) => chain(loraPro({ x }), scaleByAdam())

  // r = out = in, and r = out alone
  for (const [r, inputs] of [
    [1, 1],
    [2, 2],
    [4, 4],
    [8, 8],
    [4, 7]
  ] as const)
    test(`[${r}, ${inputs}]: B, which theory does not move, keeps every bit over 20 steps of Adam, and A moves`, async () => {
      const start = given(r, inputs, 1)
      const moved = await trained(efficient("zero"), start, 20)
      expect(moved.B).toEqual(start.B)
      for (const [i, row] of moved.A.entries())
        for (const [j, value] of row.entries()) expect(Math.abs(value - start.A[i]![j]!)).toBeGreaterThan(5 * RATE)
    })

  test("dA is the theorem's, s⁻² (BᵀB)⁻¹ gA in float64, and dB is 0", async () => {
    const start = given(6, 6, 1)
    const gA = await matrixOf(start.gradients.pairs[0]!.A)
    const moved = await trained(loraPro({ x: "zero" }), start, 1)
    const expected = combine([1 / 4, times(inverse(times(transpose(start.B), start.B)), gA)])
    // rate 1e-3: what is left of the move after it was added to A in float32 has four digits
    const found = combine([-1 / RATE, moved.A], [1 / RATE, start.A])
    expect(deviation(found, expected)).toBeLessThan(1e-3)
    expect(moved.B).toEqual(start.B)
  })

  test("what is more than round-off stays: δ (BBᵀ+δI)⁻¹ of a B as small as √δ, B = 0, and other choices of X", async () => {
    const small = given(4, 4, 1e-4)
    const gB = await matrixOf(small.gradients.pairs[0]!.B)
    const moved = await trained(loraPro({ x: "zero", damping: 1e-8 }), small, 1)
    const outside = combine([1e-8, inverse(combine([1, times(small.B, transpose(small.B))], [1e-8, identity(4)]))])
    const right = inverse(times(small.A, transpose(small.A)))
    const expected = combine([1 / 4, times(outside, gB, right)])
    const found = combine([-1 / RATE, moved.B], [1 / RATE, small.B])
    expect(deviation(found, expected)).toBeLessThan(1e-3)
    for (const x of ["sylvester", "symmetric"] as const) {
      const start = given(4, 4, 1)
      expect(norm(combine([1, (await trained(efficient(x), start, 1)).B], [-1, start.B]))).toBeGreaterThan(RATE)
    }
    for (const damping of [0, 1e-8]) {
      const empty = given(3, 5, 0)
      const { B } = await trained(chain(loraPro({ x: "zero", damping }), scaleByAdam()), empty, 1)
      expect(norm(B)).toBeGreaterThan(RATE)
    }
    const tall = given(4, 4, 1, 5)
    expect(norm(combine([1, (await trained(efficient("zero"), tall, 1)).B], [-1, tall.B]))).toBeGreaterThan(RATE)
  })
})

describe("LoRA-Pro as a transform", () => {
  beforeAll(async () => {
    await tf.setBackend("wasm")
  })
  /** The same values at every call. */
  const tree = (): Trainable => {
    const next = random(7)
    const pair = (out: number, columns: number, r: number, name: string) =>
      pairOf(randomMatrix(r, columns, next), randomMatrix(out, r, next), 2, name)
    return {
      pairs: [pair(6, 9, 2, "first"), pair(8, 5, 3, "second")],
      dense: [{ name: "bias", role: "body", value: tf.tensor1d([1, -2, 3]) }]
    }
  }
  const values = async (t: Trainable) => Promise.all(tensorsOf(t).map(async (x) => Array.from(await x.data())))

  for (const [name, transform] of [
    ["sgd form", loraPro()],
    ["full form", loraPro({ inner: scaleByAdam() })],
    ["efficient form", chain(loraPro(), scaleByAdam())]
  ] as ReadonlyArray<readonly [string, Transform]>) {
    test(`${name}: no tensor and no buffer is left behind over 50 steps`, async () => {
      const optimizer = chain(transform, scaleByLearningRate(1e-3))
      const gradients = tree()
      const params = tree()
      let run: Run = { params, state: optimizer.init(params) }
      run = await takeStep(optimizer, run, gradients)
      const { numTensors, numDataBuffers, numBytes } = tf.memory()
      for (let i = 0; i < 50; i++) run = await takeStep(optimizer, run, gradients)
      const after = tf.memory()
      expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([numTensors, numDataBuffers, numBytes])
    })

    test(`${name}: update leaves its results in the caller's tidy and nothing else`, async () => {
      const [params, gradients] = [tree(), tree()]
      const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
      tf.tidy(() => {
        const before = tf.memory().numTensors
        transform.update(gradients, state, params)
        // Two updates a pair; with Adam two moments for each of: a pair's g̃, or its A and B, and the dense tensor with its update.
        const results = { "sgd form": 4, "full form": 4 + 4 + 3, "efficient form": 4 + 8 + 3 }[name]!
        const intermediates = name === "efficient form" ? 4 : 0 // the chain's middle, gone with the caller's tidy
        expect(tf.memory().numTensors - before).toBe(results + intermediates)
      })
    })

    test(`${name}: a site's step does not depend on the other sites`, async () => {
      const [both, onlySecond] = [tree(), tree()]
      const [gradients, gradient] = [tree(), tree()]
      const second = (t: Trainable): Trainable => ({ pairs: t.pairs.slice(1), dense: [] })
      const together = await takeStep(transform, { params: both, state: transform.init(both) }, gradients)
      const start = second(onlySecond)
      const alone = await takeStep(transform, { params: start, state: transform.init(start) }, second(gradient))
      expect(await values(second(together.params))).toEqual(await values(alone.params))
    })
  }

  test("update before refresh says what to do", () => {
    const transform = loraPro()
    const params = tree()
    expect(() => transform.update(params, transform.init(params), params)).toThrow(/run refresh\(state, params\)/)
  })

  test("dense parameters pass through unchanged without inner, and through inner with it", async () => {
    const [params, gradients] = [tree(), tree()]
    const plain = await takeStep(loraPro(), { params, state: loraPro().init(params) }, gradients)
    expect((await values(plain.params)).at(-1)).toEqual([2, -4, 6])
    const full = loraPro({ inner: scaleByAdam() })
    const start = tree()
    const signs = await takeStep(full, { params: start, state: full.init(start) }, gradients)
    const [a, b, c] = (await values(signs.params)).at(-1)!
    expect(a).toBeCloseTo(2, 5) // Adam's first step is the sign of the gradient
    expect(b).toBeCloseTo(-3, 5)
    expect(c).toBeCloseTo(4, 5)
  })

  test("health is λ_min(BᵀB) and δ of each site", async () => {
    const transform = loraPro({ damping: 1e-2 })
    const pair = pairOf(
      [
        [1, 0, 0],
        [0, 1, 0]
      ],
      [
        [3, 0],
        [0, 0.5],
        [0, 0]
      ],
      1,
      "only"
    )
    const params = treeOf(pair)
    const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
    expect(transform.health!(transform.init(params), params)).toEqual([])
    const [health] = transform.health!(state, params)
    expect(health).toMatchObject({ sites: ["only"], damping: 1e-2 })
    expect(Array.from(await health!.smallest.data())).toEqual([0.25])
  })
})
