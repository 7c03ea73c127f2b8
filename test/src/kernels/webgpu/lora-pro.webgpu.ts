/**
 * LoRA-Pro on a GPU, from the factors to the directions, against float64: for every rank in one call, for factors as
 * badly conditioned as they come, and at the edges. How exact it can be is a matter of float32's ε = 6e-8 and of
 *
 *   κ = √((λ_max+δ)/(λ_min+δ)), the larger of BᵀB's and AAᵀ's
 *
 * since T is stored in float32: its column for λ_min is 1/√λ_min long, and 6e-8 of that is wrong in the direction of
 * λ_max. The wasm path, whose eigenproblems are solved in float64, is as far from float64 by the same measure.
 */
import { describe, expect, test } from "bun:test"
import type { Tensor, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { ratesAt } from "../../../../src/kernels/adam.ts"
import { read, write } from "../../../../src/kernels/declaration.ts"
import { loraProDirections } from "../../../../src/kernels/lora-pro.ts"
import { loraProAdamMoves, type PairStep } from "../../../../src/kernels/lora-pro-adam.ts"
import type { Whitening, XChoice } from "../../../../src/kernels/lora-pro-theorem.ts"
import { PAIRS } from "../../../../src/kernels/webgpu/eigen.ts"
import { provideWebgpuEngine, type WebgpuEngine, webgpuEngineOf } from "../../../../src/kernels/webgpu/engine.ts"
import { program } from "../../../../src/kernels/webgpu/program.ts"
import { whitenedOnDevice } from "../../../../src/kernels/whitening.ts"
import { scaleByAdam } from "../../../../src/optimizers/adamw/transform.ts"
import { loraPro } from "../../../../src/optimizers/lora-pro/transform.ts"
import { scaleByLearningRate } from "../../../../src/optimizers/schedule.ts"
import { chain } from "../../../../src/optimizers/transform.ts"
import { whitenPairs } from "../../../../src/optimizers/whitening.ts"
import { type FactorPair, tensorsOf } from "../../../../src/tensors/trainable.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectNoLeak, relativeError } from "../../../setup.ts"
import { onWebgpu } from "../../device/on-webgpu.ts"
import {
  combine,
  deviation,
  identity,
  type Matrix,
  make,
  maxAbs,
  orthonormal,
  product,
  rounded,
  times,
  transpose
} from "../../optimizers/matrix.ts"
import { disposeState, matrixOf, type Run, takeStep, tensorOf, treeOf } from "../../optimizers/tensors.ts"
import { normals } from "../float64.ts"
import { lists, type PairShape, pairsOf, whiteningsOf, withoutB } from "../lora-pro-pairs.ts"
import {
  directionsInFloat64,
  gradientOf,
  movesInFloat64,
  pairOf,
  type Sample,
  sampleOf,
  spectrumOf,
  withGradients
} from "./lora-pro-float64.ts"

const EPSILON = 2 ** -24
const DAMPING = 1e-8
const choices: ReadonlyArray<XChoice> = ["sylvester", "zero", "symmetric"]
const rates = ratesAt({ b1: 0.9, b2: 0.999, eps: 1e-8 }, 2)

/** out, in, r: every class of ranks that there is a program for, in one call */
const shapes: ReadonlyArray<PairShape> = [
  [40, 50, 1],
  [60, 40, 4],
  [70, 90, 8],
  [80, 70, 16],
  [100, 45, 32],
  [70, 66, 64]
]
const scales = [1, 2, 0.5]

const samplesOf = (condition: number): ReadonlyArray<Sample> =>
  shapes.map((shape, i) => sampleOf(shape, condition, scales[i % 3]!, `sample ${i}`))

const kappaOf = ({ A, B }: Sample, damping: number): number => {
  const kappas = [B, transpose(A)].map((columns) => {
    const { values } = spectrumOf(columns, damping)
    return Math.sqrt((Math.max(...values) + damping) / (Math.min(...values) + damping))
  })
  return Math.max(...kappas)
}

/** Relative to the largest entry; twice the worst measured. At κ = 1 it is the sums of up to 100 terms that count. */
const boundOf = (sample: Sample, damping: number): number => EPSILON * (40 + 5 * kappaOf(sample, damping))

const momentsOf = ({ A, B }: Sample): readonly [Matrix, Matrix] => [
  make(B.length, A[0]!.length, () => 0.3),
  make(B.length, A[0]!.length, () => 0.01)
]

const upload = (m: Matrix): tf.Tensor2D => tf.tensor2d(m.flat(), [m.length, m[0]!.length])

interface Found {
  /** dA, dB */
  readonly directions: ReadonlyArray<Matrix>
  /** dA, dB, M', V' with Adam inside */
  readonly moves: ReadonlyArray<Matrix>
  readonly smallest: number
}

const runSamples = async (
  samples: ReadonlyArray<Sample>,
  damping: number,
  x: XChoice
): Promise<ReadonlyArray<Found>> => {
  const pairs = samples.map((sample, i) => pairOf(sample, `pair ${i}`))
  const gradients = samples.map(gradientOf)
  const { whitenings, smallest } = whitenedOnDevice(pairs, damping)!
  const steps = samples.map((sample, i): PairStep => {
    const [first, second] = momentsOf(sample)
    return {
      ...{ pair: pairs[i]!, gradient: gradients[i]!, whitening: whitenings[i]! },
      ...{ first: upload(first), second: upload(second) }
    }
  })
  const directions = loraProDirections(pairs, gradients, whitenings, x)
  const moves = loraProAdamMoves(steps, x, rates)
  const least = await smallest.data()
  return Promise.all(
    samples.map(async (_, i) => ({
      directions: [await matrixOf(directions[i]!.A), await matrixOf(directions[i]!.B)],
      moves: await Promise.all([moves[i]!.A, moves[i]!.B, moves[i]!.first, moves[i]!.second].map(matrixOf)),
      smallest: least[i]!
    }))
  )
}

const expectNear = (found: ReadonlyArray<Matrix>, expected: ReadonlyArray<Matrix>, bound: number, says: string) => {
  const errors = expected.map((matrix, i) => deviation(found[i]!, matrix))
  expect({ says, worst: errors.some((error) => !(error <= bound)) ? errors : [] }).toEqual({ says, worst: [] })
}

const expectFloat64 = async (samples: ReadonlyArray<Sample>, damping: number, x: XChoice, bound = boundOf) => {
  const found = await runSamples(samples, damping, x)
  for (const [i, sample] of samples.entries()) {
    const says = `${x}, pair ${i}`
    const { A, B } = directionsInFloat64(sample, damping, x)
    expectNear(found[i]!.directions, [A, B], bound(sample, damping), `directions, ${says}`)
    const moved = movesInFloat64(sample, damping, x, ...momentsOf(sample), rates)
    const matrices = [moved.A, moved.B, moved.first, moved.second]
    expectNear(found[i]!.moves, matrices, bound(sample, damping), `with Adam, ${says}`)
  }
}

const tensorsOfMoves = (moves: ReturnType<typeof loraProAdamMoves>): ReadonlyArray<Tensor> =>
  moves.flatMap(({ A, B, first, second }) => [A, B, first, second])

/** Refresh, directions and moves of pairs with random gradients. */
const everything = (pairs: ReadonlyArray<FactorPair>, x: XChoice = "sylvester"): ReadonlyArray<Tensor> => {
  const { whitenings, smallest } = whitenedOnDevice(pairs, DAMPING)!
  const gradients = pairsOf(
    pairs.map(({ site, A }) => [site.out, site.in, A.shape[0]] as const),
    "g"
  )
  const moments = () => pairs.map(({ site }) => tf.fill([site.out, site.in], 0.1))
  const [first, second] = [moments(), moments()]
  const steps = pairs.map((pair, i) => ({
    ...{ pair, gradient: gradients[i]!, whitening: whitenings[i]! },
    ...{ first: first[i]!, second: second[i]! }
  }))
  const directions = loraProDirections(pairs, gradients, whitenings, x)
  const moves = loraProAdamMoves(steps, x, rates)
  tf.dispose([...first, ...second, ...gradients.flatMap(({ A, B }) => [A, B])])
  return [
    ...whitenings.flatMap((w) => Object.values(w)),
    ...[smallest, ...directions.flatMap(({ A, B }) => [A, B]), ...tensorsOfMoves(moves)]
  ]
}

type Values = ReadonlyArray<Float32Array>

const valuesOf = (tensors: ReadonlyArray<Tensor>): Promise<Values> =>
  Promise.all(tensors.map(async (tensor) => (await tensor.data()) as Float32Array))

/** Directions, moves and moments for every X, two and two, from whitenings made elsewhere. */
const outcomeOf = (list: ReadonlyArray<PairShape>, values: Values): ReadonlyArray<Tensor> => {
  const [pairs, gradients] = [pairsOf(list, "p"), pairsOf(list, "g")]
  const whitenings = pairs.map(({ A: { shape } }, i): Whitening => {
    const [TB, TBgrad, TAt, TAgrad, S] = values
      .slice(5 * i, 5 * i + 5)
      .map((own) => tf.tensor2d(own, [shape[0], shape[0]]))
    return { TB: TB!, TBgrad: TBgrad!, TAt: TAt!, TAgrad: TAgrad!, S: S! }
  })
  const steps = pairs.map((pair, i) => ({
    ...{ pair, gradient: gradients[i]!, whitening: whitenings[i]! },
    ...{ first: tf.fill([pair.site.out, pair.site.in], 0.3), second: tf.fill([pair.site.out, pair.site.in], 0.01) }
  }))
  return choices.flatMap((x) => [
    ...loraProDirections(pairs, gradients, whitenings, x).flatMap(({ A, B }) => [A, B]),
    ...tensorsOfMoves(loraProAdamMoves(steps, x, rates))
  ])
}

const bitsOf = (tensors: ReadonlyArray<Tensor>) =>
  Promise.all(tensors.map(async (tensor) => new Uint32Array((await tensor.data()).slice().buffer)))

/** The names of the programs that `f` runs on an engine. */
const programsOf = (engine: WebgpuEngine, f: () => unknown): ReadonlyArray<string> => {
  const own = webgpuEngineOf(tf.backend())
  const names: Array<string> = []
  const run: WebgpuEngine["run"] = (program, ...given) => {
    names.push(program.name)
    engine.run(program, ...given)
  }
  provideWebgpuEngine(tf.backend(), { ...engine, run })
  try {
    f()
  } finally {
    provideWebgpuEngine(tf.backend(), own)
  }
  return names
}

const sumOfProducts = program({
  name: "Sum of products",
  buffers: { x: read("f32"), y: read("f32"), sum: write("f32") },
  words: { size: "u32", zero: "u32" },
  workgroup: 1,
  body: `${PAIRS}
fn kernel(group: u32, local: u32) {
  var s = vec2f(0.0);
  for (var i = 0u; i < words.size; i++) { s = plusProduct(s, x[i], y[i]); }
  s = normal(s.x, s.y);
  let quotient = over(s, root(times(s, s)));
  sum[0] = s.x;
  sum[1] = s.y;
  sum[2] = quotient.x;
  sum[3] = quotient.y;
}`
})

describe.skipIf(!webgpu.exists)("LoRA-Pro on a GPU", () => {
  test("pairs of float32 hold what float64 holds of a sum, to 2⁻⁴⁴ of its terms", () =>
    onWebgpu(async (engine) => {
      const [x, y] = [normals(500, "x"), normals(500, "y")]
      // nearly everything cancels
      for (let i = 250; i < 500; i++) [x[i], y[i]] = [-x[i - 250]!, y[i - 250]! * (1 + 2 ** -20)]
      const out = tf.tensor1d([0, 0, 0, 0])
      const sum = engine.output([4])
      engine.run(sumOfProducts, { x: tf.tensor1d(x), y: tf.tensor1d(y), sum }, { size: 500, zero: 0 }, 1)
      out.dispose()
      const [high, low, one, none] = await tf
        .engine()
        .makeTensorFromTensorInfo(sum as TensorInfo)
        .data()
      let [expected, terms] = [0, 0]
      for (let i = 0; i < 500; i++) {
        expected += x[i]! * y[i]!
        terms += Math.abs(x[i]! * y[i]!)
      }
      expect(Math.abs(high! + low! - expected)).toBeLessThan(2 ** -44 * terms)
      // s / √(s·s)
      expect(Math.abs(Math.abs(one! + none!) - 1)).toBeLessThan(2 ** -42)
    }))

  for (const condition of [1, 1e4]) {
    for (const x of choices) {
      test(`cond(B) = ${condition}, X ${x}: the directions are those of float64`, () =>
        onWebgpu(() => expectFloat64(samplesOf(condition), DAMPING, x)))
    }
  }

  for (const [condition, damping] of [
    [1e2, 0],
    [1e4, 0],
    [1e6, DAMPING]
  ] as const) {
    test(`cond(B) = ${condition}, δ = ${damping}: the directions are those of float64`, () =>
      onWebgpu(() => expectFloat64(samplesOf(condition), damping, "sylvester")))
  }

  // Pairs of float32 have 2⁻⁴³·r for round-off, float64 2⁻⁵²·r: singular values from 1e-6 down are not there on a GPU,
  // which makes a difference of what the gradient holds of them, mostly its own round-off. Measured: 8e-3, wasm 1e-3.
  test("cond(B) = 1e7: what is left out is a hundredth", () =>
    onWebgpu(() => expectFloat64(samplesOf(1e7), DAMPING, "sylvester", () => 3e-2)))

  test("λ_min(BᵀB) to four digits down to 1e-10 of λ_max, to two at 1e-12", () =>
    onWebgpu(async () => {
      for (const [condition, bound] of [
        [1, 2e-6],
        [1e4, 5e-6],
        [1e5, 2e-4],
        [1e6, 1e-2]
      ] as const) {
        const samples = samplesOf(condition)
        const found = await runSamples(samples, DAMPING, "zero")
        for (const [i, { B }] of samples.entries()) {
          const expected = Math.min(...spectrumOf(B, DAMPING).values)
          expect(Math.abs(found[i]!.smallest / expected - 1)).toBeLessThan(bound)
        }
      }
    }))

  for (const r of [8, 16, 32, 64, 100]) {
    test(`rank ${r}: B T_B is orthonormal to half of ε·cond(B), as with T_B made in float64 and rounded`, () =>
      onWebgpu(async () => {
        for (const condition of [1e2, 1e4]) {
          const sample = sampleOf([150, 20, r], condition, 1, `rank ${r}`)
          const [w] = whitenedOnDevice([pairOf(sample, "p")], 0)!.whitenings
          const Q = product(sample.B, await matrixOf(w!.TB))
          const error = maxAbs(combine([1, product(transpose(Q), Q)], [-1, identity(r)]))
          expect(error).toBeLessThan(EPSILON * (10 + condition / 2))
        }
      }))
  }

  test("rank-deficient B: W moves by g's projection, and A not at all where B has nothing", () =>
    onWebgpu(async () => {
      const [out, columns, r] = [40, 30, 8]
      const own = rounded(make(out, 4, (i, j) => normals(out * 4, "own")[i * 4 + j]!))
      // one column twice, and sums of two, rounded
      const B = rounded(own.map(([a, b, c, d]) => [a!, b!, c!, d!, a!, b! + c!, a! - d!, b! + d!]))
      const { A } = sampleOf([out, columns, r], 1, 1, "deficient")
      const sample = withGradients(A, B, 2, "deficient")
      for (const damping of [0, DAMPING]) {
        const [found] = await runSamples([sample], damping, "sylvester")
        const [dA, dB] = found!.directions
        const g = rounded(make(out, columns, (i, j) => normals(out * columns, "deficient g")[i * columns + j]!))
        const basis = orthonormal(own)
        const [PB, QA] = [times(basis, transpose(basis)), orthonormal(transpose(A))]
        const PA = times(QA, transpose(QA))
        const projected = combine([1, times(PB, g)], [1, times(g, PA)], [-1, times(PB, g, PA)])
        const move = combine([2, product(B, dA!)], [2, product(dB!, A)])
        // gradients rounded to float32, times cond(B), about 10
        expect(deviation(move, projected)).toBeLessThan(200 * EPSILON)
        // B times these is 0, or what was rounded
        const nothing = [
          [1, 0, 0, 0, -1, 0, 0, 0],
          [0, 1, 1, 0, 0, -1, 0, 0],
          [1, 0, 0, -1, 0, 0, -1, 0],
          [0, 1, 0, 1, 0, 0, 0, -1]
        ]
        expect(maxAbs(product(nothing, dA!)) / maxAbs(dA!)).toBeLessThan(40 * EPSILON)
        expect(found!.smallest).toBe(0)
      }
    }))

  test("at B = 0: no directions of B, dA is 0, and dB is finite", () =>
    onWebgpu(async () => {
      const pairs = withoutB(pairsOf(lists[0]!, "p"))
      const gradients = pairsOf(lists[0]!, "g").map((pair) => ({ ...pair, A: tf.zerosLike(pair.A) }))
      const { whitenings, smallest } = whitenedOnDevice(pairs, DAMPING)!
      expect((await smallest.data()).every((value) => value === 0)).toBe(true)
      for (const w of whitenings) expect((await w.TB.data()).every((value) => value === 0)).toBe(true)
      for (const x of choices) {
        for (const { A, B } of loraProDirections(pairs, gradients, whitenings, x)) {
          expect((await A.data()).every((value) => value === 0)).toBe(true)
          expect((await B.data()).every(Number.isFinite)).toBe(true)
          expect((await B.data()).some((value) => value !== 0)).toBe(true)
        }
      }
    }))

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    test(`${bad} in one place of a factor makes its own pair NaN, and no other`, () =>
      onWebgpu(async () => {
        const good = pairsOf(shapes.slice(0, 4), "p")
        const spoilt = async (tensor: tf.Tensor2D) => {
          const values = (await tensor.data()).slice()
          values[7] = bad
          return tf.tensor2d(values, tensor.shape)
        }
        for (const factor of ["A", "B"] as const) {
          const own = await spoilt(good[1]![factor])
          const pairs = good.with(1, { ...good[1]!, [factor]: own })
          const { whitenings, smallest } = whitenedOnDevice(pairs, DAMPING)!
          expect(Array.from(await smallest.data(), Number.isNaN)).toEqual([false, true, false, false])
          const directions = loraProDirections(pairs, pairsOf(shapes.slice(0, 4), "g"), whitenings, "sylvester")
          for (const [i, { A, B }] of directions.entries()) {
            for (const tensor of [A, B, ...Object.values(whitenings[i]!)]) {
              const values = Array.from(await tensor.data())
              expect(values.every(i === 1 ? Number.isNaN : Number.isFinite)).toBe(true)
            }
          }
        }
      }))
  }

  for (const list of lists) {
    test(`${list.length} pairs from ${list[0]!.join("×")}, where NaN lay before: the numbers of the references`, async () => {
      await tf.setBackend("cpu")
      const whitenings = await valuesOf((await whiteningsOf(pairsOf(list, "p"))).flatMap((w) => Object.values(w)))
      const expected = await valuesOf(outcomeOf(list, whitenings))
      await onWebgpu(async () => {
        const spoilt = pairsOf(list, "p").map((pair) => ({ ...pair, A: tf.fill<tf.Rank.R2>(pair.A.shape, Number.NaN) }))
        tf.dispose([...everything(spoilt)])
        const found = await valuesOf(outcomeOf(list, whitenings))
        // dB may be what round-off leaves of b − Q Qᵀ b: relative to both of a pair
        const two = (arrays: ReadonlyArray<Float32Array>, at: number) => [...arrays[at]!, ...arrays[at + 1]!]
        for (let at = 0; at < found.length; at += 2)
          expect(relativeError(two(found, at), two(expected, at))).toBeLessThan(1e-5)
      })
    })
  }

  test("the same bits twice, and from lists of pairs that a small binding limit makes", () =>
    onWebgpu(async (engine) => {
      const whitenings = await valuesOf(
        whitenedOnDevice(pairsOf(shapes, "p"), DAMPING)!.whitenings.flatMap((w) => Object.values(w))
      )
      const run = () => outcomeOf(shapes, whitenings)
      const expected = await bitsOf(run())
      expect(await bitsOf(run())).toEqual(expected)
      expect(await bitsOf(everything(pairsOf(shapes, "p")))).toEqual(await bitsOf(everything(pairsOf(shapes, "p"))))
      // five of the whitening matrices of rank 64, and moments of 70 × 66
      const mostNumbers = 5 * 64 * 64
      let tensors: ReadonlyArray<Tensor> = []
      const names = programsOf({ ...engine, mostNumbers }, () => {
        tensors = run()
      })
      expect(names.length).toBeGreaterThan(choices.length * 10)
      expect(await bitsOf(tensors)).toEqual(expected)
    }))

  test("as many programs for 24 pairs as for 2, and ten in all", () =>
    onWebgpu((engine) => {
      const many = (n: number) => Array.from({ length: n }, (_, i) => shapes[i % 4]!)
      const of = (n: number) => {
        const pairs = pairsOf(many(n), "p")
        const gradients = pairsOf(many(n), "g")
        const { whitenings } = whitenedOnDevice(pairs, DAMPING)!
        const zeros = pairs.map(({ site }) => tf.zeros([site.out, site.in]))
        const steps = pairs.map((pair, i) => ({
          ...{ pair, gradient: gradients[i]!, whitening: whitenings[i]!, first: zeros[i]!, second: zeros[i]! }
        }))
        return [
          programsOf(engine, () => whitenedOnDevice(pairs, DAMPING)),
          programsOf(engine, () => loraProDirections(pairs, gradients, whitenings, "sylvester")),
          programsOf(engine, () => loraProAdamMoves(steps, "sylvester", rates))
        ]
      }
      const few = of(2)
      expect(few.map((names) => names.length)).toEqual([3, 3, 7])
      expect(of(24).map((names) => names.length)).toEqual([3, 3, 7])
    }))

  test("nothing is left behind", async () => {
    const bytes = () => onWebgpu(() => (tf.memory() as unknown as { numBytesInGPU: number }).numBytesInGPU)
    const before = await bytes()
    await onWebgpu(async () => {
      const pairs = pairsOf(shapes, "p")
      await expectNoLeak(() => tf.dispose([...everything(pairs)]))
      tf.dispose(pairs.flatMap(({ A, B }) => [A, B]))
    })
    expect(await bytes()).toBe(before)
  })

  test("a rank above 256 is the host's and tfjs's: W moves by g itself where r is above both sides", () =>
    onWebgpu(async (engine) => {
      const sample = withGradients(
        rounded(make(257, 4, (i, j) => normals(257 * 4, "A")[i * 4 + j]!)),
        rounded(make(3, 257, (i, j) => normals(3 * 257, "B")[i * 257 + j]!)),
        1,
        "wide"
      )
      const pair = pairOf(sample, "p")
      expect(whitenedOnDevice([pair], DAMPING)).toBeUndefined()
      const { whitenings } = await Effect.runPromise(whitenPairs([pair], DAMPING))
      let moved: ReturnType<typeof loraProDirections> = []
      const ran = programsOf(engine, () => {
        moved = loraProDirections([pair], [gradientOf(sample)], whitenings, "zero")
      })
      expect(ran.filter((name) => name.startsWith("LoRA-Pro"))).toEqual([])
      const move = combine(
        [1, product(sample.B, await matrixOf(moved[0]!.A))],
        [1, product(await matrixOf(moved[0]!.B), sample.A)]
      )
      const g = make(3, 4, (i, j) => normals(12, "wide g")[i * 4 + j]!)
      // Grams that tfjs multiplies and a read fetches are wrong by 6e-8·λ_max, here some 250, beside the smallest
      // eigenvalues
      expect(deviation(move, g)).toBeLessThan(2e-3)
    }))

  test("with X = 0 a square B keeps every bit under Adam: theory does not move it, and round-off is no gradient", () =>
    onWebgpu(async () => {
      const numbers = (of: string, columns: number) =>
        make(6, columns, (i, j) => normals(6 * columns, of)[i * columns + j]!)
      const B = rounded(combine([0.2, numbers("square B", 6)], [1, identity(6)]))
      const params = treeOf(pairOf(withGradients(rounded(numbers("square A", 6)), B, 2, "square"), "p"))
      const gradients = treeOf({ ...params.pairs[0]!, A: tensorOf(numbers("gA", 6)), B: tensorOf(numbers("gB", 6)) })
      const optimizer = chain(loraPro({ x: "zero" }), scaleByAdam(), scaleByLearningRate(1e-3))
      let run: Run = { params, state: optimizer.init(params) }
      for (let step = 0; step < 5; step++) run = await takeStep(optimizer, run, gradients)
      expect(await matrixOf(run.params.pairs[0]!.B)).toEqual(B)
      disposeState(run.state)
      tf.dispose([...tensorsOf(run.params), ...tensorsOf(gradients)])
    }))
})
