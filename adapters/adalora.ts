/**
 * AdaLoRA: y = xWᵀ + bias + s·((xQᵀ) ⊙ λ)Pᵀ, with W frozen, and a budget of ranks that is spent where they matter
 * (Zhang et al. 2023, arXiv 2303.10512; PEFT's convention).
 *
 * Shapes: x [tokens, in], W [out, in], Q (A of the pair) [r₀, in], P (B of the pair) [out, r₀], λ [r₀] with r₀ the rank
 * at the start. λ starts at 0, so an adapted site starts as its base.
 *
 * With dropout Q sees D(x) in training (`dropout.ts`), and W sees x.
 *
 * The gradient is that of the loss and γ·R, R the mean of ‖QQᵀ − I‖ and ‖PᵀP − I‖ over all sites, which keeps
 * P diag(λ) Q near a singular value decomposition. Which λ stay is worked out by `src/optimizers/rank-allocation.ts`,
 * around the plan's optimizer.
 *
 * s = α/(r₀ + 1e-5), PEFT's: its files then hold the numbers that we train, and mean the same. s stays as ranks are
 * given up.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { AdaloraConfig } from "../schemas/index.ts"
import { dequantized } from "../src/kernels/dequantize.ts"
import { loraLinear } from "../src/kernels/lora-linear.ts"
import { orthogonality } from "../src/kernels/orthogonality.ts"
import { gaussian } from "../src/numbers/random.ts"
import { allocateRanks, budgetSteps, type RankBudget } from "../src/optimizers/rank-allocation.ts"
import type { LinearSite } from "../src/tensors/linear.ts"
import type { FactorPair, Factors, Trainable } from "../src/tensors/trainable.ts"
import type { AdapterMethod, SitePart } from "./adapter.ts"
import { embeddingProblem } from "./lora.ts"

/** What a site needs to know of the plan: the same for all of them, since they share one budget. */
export type AdaloraOptions = Pick<
  AdaloraConfig,
  "rank" | "initialRank" | "alpha" | "budget" | "sensitivityBetas" | "orthogonality"
> & {
  /** default 0 */
  readonly dropout?: number
}

/** r₀, the rank of every site at the start: 1.5 times the one at the end where the plan does not say. */
export const initialRankOf = ({ rank, initialRank }: Pick<AdaloraOptions, "rank" | "initialRank">): number =>
  initialRank ?? Math.ceil(1.5 * rank)

/** When a run of `steps` steps gives up ranks, and how many these sites have at its start and at its end. */
export const rankBudget = (allOptions: ReadonlyArray<AdaloraOptions>, steps: number): RankBudget => ({
  ...budgetSteps(allOptions[0]!.budget, steps),
  initial: allOptions.reduce((sum, options) => sum + initialRankOf(options), 0),
  target: allOptions.reduce((sum, { rank }) => sum + rank, 0)
})

const pairOf = (trained: Trainable): FactorPair => trained.pairs[0]!
const singularValuesOf = (trained: Trainable): tf.Tensor1D => trained.dense[0]!.value as tf.Tensor1D
const singularValuesName = (site: LinearSite): string => `${site.name}.lambda`

/** The same as LoRA's factors: A = diag(λ) Q. */
const factorsOf = (trained: Trainable): Factors => {
  const { A, B } = pairOf(trained)
  return { A: tf.mul(A, tf.expandDims(singularValuesOf(trained), 1)), B }
}

// PEFT's, which stands beside the rank in s so that a site without ranks divides by no zero
const RANK_EPSILON = 1e-5
// of Q and P at the start, as PEFT's
const DEVIATION = 0.02

/** γ·mean(‖QQᵀ − I‖, ‖PᵀP − I‖) over all sites. */
const penalty = (parts: ReadonlyArray<SitePart<AdaloraOptions>>): tf.Scalar =>
  tf.tidy(() => {
    const identities = new Map<number, tf.Tensor2D>()
    const norms = parts.map(({ part }) => {
      const { A, B } = pairOf(part)
      const [r] = A.shape
      const I = identities.get(r) ?? tf.eye(r)
      identities.set(r, I)
      return orthogonality(A, B, I)
    })
    const weight = parts[0]!.options.orthogonality / (2 * parts.length)
    return tf.mul<tf.Scalar>(tf.sum(tf.concat(norms)), weight)
  })

export const adalora: AdapterMethod<AdaloraOptions> = {
  method: "adalora",
  problem: (site, options) => {
    if (site.kind === "embedding") return embeddingProblem(site, "adalora")
    const initial = initialRankOf(options)
    const largest = Math.min(site.out, site.in)
    if (initial <= largest) return undefined
    const start =
      options.initialRank === undefined ? `rank ${options.rank} starts at ${initial}, which` : `initialRank ${initial}`
    return `${start} is larger than ${site.name} allows: W is [${site.out}, ${site.in}], so at most ${largest}`
  },
  size: (site, options) => {
    const initial = initialRankOf(options)
    return { factors: initial * (site.in + site.out), dense: initial }
  },
  init: (site, options, { random }) =>
    Effect.sync(() => {
      const r = initialRankOf(options)
      const normal = (rows: number, columns: number) =>
        tf.tensor2d(
          Float32Array.from({ length: rows * columns }, () => DEVIATION * gaussian(random)),
          [rows, columns]
        )
      const scale = options.alpha / (r + RANK_EPSILON)
      const pair: FactorPair = { site, A: normal(r, site.in), B: normal(site.out, r), scale }
      return { pairs: [pair], dense: [{ name: singularValuesName(site), role: "body", value: tf.zeros([r]) }] }
    }),
  dropout: (_site, { dropout = 0 }) => dropout,
  forward: (_site, trained, x, base, mask) => {
    const { A, B } = factorsOf(trained)
    return loraLinear(x, base.W, base.bias, A, B, pairOf(trained).scale, mask)
  },
  merge: (_site, trained, base) =>
    tf.tidy(() => {
      const { A, B } = factorsOf(trained)
      return tf.add(dequantized(base.W), tf.mul(tf.matMul(B, A), pairOf(trained).scale))
    }),
  penalty,
  optimizer: (inner, sites, steps) =>
    allocateRanks(inner, {
      sites: sites.map(({ site }) => ({ pair: site.name, values: singularValuesName(site) })),
      budget: rankBudget(
        sites.map(({ options }) => options),
        steps
      ),
      betas: sites[0]!.options.sensitivityBetas
    })
}
