/**
 * AdaLoRA: y = xWᵀ + bias + s·((xQᵀ) ⊙ λ)Pᵀ, with W frozen, and a rank budget that is allocated by importance
 * (Zhang et al. 2023, arXiv 2303.10512; PEFT's convention).
 *
 * Shapes: x [tokens, in], W [out, in], Q (A of the pair) [r₀, in], P (B of the pair) [out, r₀], λ [r₀] with r₀ the initial
 * rank. λ is initialized to 0, so an adapted layer starts as its base.
 *
 * With dropout, Q sees D(x) in training (`dropout.ts`), and W sees x.
 *
 * The gradient is that of the loss and γ·R, R the mean of ‖QQᵀ − I‖ and ‖PᵀP − I‖ over all sites, which keeps
 * P diag(λ) Q near a singular value decomposition. Which λ stay is worked out by `src/optimizers/rank-allocation.ts`,
 * around the plan's optimizer.
 *
 * s = α/(r₀ + 1e-5), PEFT's: its files then hold the numbers that we train, and mean the same. s stays as ranks are
 * given up.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { AdaloraConfig, methodFacts } from "../schemas/index.ts"
import { dequantized, loraLinear, orthogonality } from "../src/kernels/index.ts"
import { gaussian } from "../src/numbers/index.ts"
import { budgetSteps, type RankBudget, withAllocatedRanks } from "../src/optimizers/index.ts"
import type { HostTensor } from "../src/safetensors/index.ts"
import type { FactorPair, Factors, LinearSite, Trainable } from "../src/tensors/index.ts"
import type { AdapterMethod } from "./adapter.ts"
import { embeddingProblem, pairOf, readDropout } from "./lora.ts"
import type { PeftLayout, PeftSource, SitePart, SiteTensors } from "./peft.ts"

/** Options of AdaLoRA: the same for all layers, since they share one budget. */
export type AdaloraOptions = Pick<
  AdaloraConfig,
  "rank" | "initialRank" | "alpha" | "budget" | "sensitivityBetas" | "orthogonality"
> & {
  /** dropout rate on the adapter's input in training, in [0, 1); default 0 */
  readonly dropout?: number
}

/** Returns r₀, the rank of every layer at step 0: the plan's, by default 1.5 times the final rank. */
export const initialRankOf = ({ rank, initialRank }: Pick<AdaloraOptions, "rank" | "initialRank">): number =>
  initialRank ?? Math.ceil(1.5 * rank)

/** Returns the schedule of the rank budget in a run of `steps` steps, and the layers' total rank at its start and end. */
export const rankBudget = (allOptions: ReadonlyArray<AdaloraOptions>, steps: number): RankBudget => ({
  ...budgetSteps(allOptions[0]!.budget, steps),
  initial: allOptions.reduce((sum, options) => sum + initialRankOf(options), 0),
  target: allOptions.reduce((sum, { rank }) => sum + rank, 0)
})

const singularValuesOf = (trained: Trainable): tf.Tensor1D => trained.dense[0]!.value as tf.Tensor1D
const singularValuesName = (site: LinearSite): string => `${site.name}.lambda`

/** The same as LoRA's factors: A = diag(λ) Q. */
const factorsOf = (trained: Trainable): Factors => {
  const { A, B } = pairOf(trained)
  return { A: tf.mul(A, tf.expandDims(singularValuesOf(trained), 1)), B }
}

// PEFT's, which is added to the rank in s so that a site without ranks divides by no zero
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

/** Which triplets have a λ. */
const pattern = (stored: SiteTensors<HostTensor>): ReadonlyArray<boolean> =>
  Array.from(stored["lora_E"]!.data, (value) => value !== 0)

/** M′[i, j] = M[row(i), column(j)], and 0 where M has no such place. */
const arranged = (
  { shape: [rows, columns], data }: HostTensor,
  [m, n]: readonly [number, number],
  [row, column]: readonly [(i: number) => number, (j: number) => number]
): HostTensor => {
  const target = new Float32Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const [from, at] = [row(i), column(j)]
      if (from < rows! && at < columns!) target[i * n + j] = data[from * columns! + at]!
    }
  }
  return { shape: [m, n], data: target }
}

const asItIs = (index: number): number => index

/** `count` triplets, the i-th of which was triplet(i). */
const triplets = (
  { lora_A: A, lora_B: B, lora_E: E }: SiteTensors<HostTensor>,
  count: number,
  triplet: (i: number) => number
): SiteTensors<HostTensor> => ({
  lora_A: arranged(A!, [count, A!.shape[1]!], [triplet, asItIs]),
  lora_B: arranged(B!, [B!.shape[0]!, count], [asItIs, triplet]),
  lora_E: arranged(E!, [count, E!.shape[1]!], [triplet, asItIs])
})

/** k, where three tensors agree on it. */
const tripletsIn = ({ lora_A: A, lora_B: B, lora_E: E }: SiteTensors<HostTensor>): number | undefined => {
  const counts = [A?.shape[0], B?.shape[1], E?.shape[0]]
  const matrices = [A, B, E].every((tensor) => tensor?.shape.length === 2)
  return matrices && counts.every((count) => count === counts[0]) ? counts[0] : undefined
}

const peftConfig = ({ options, sites, steps, module, stored }: PeftSource<AdaloraOptions>) => {
  const { start, end, every } = rankBudget(
    sites.map(({ options }) => options),
    steps
  )
  return {
    peft_type: "ADALORA",
    init_r: initialRankOf(options),
    target_r: options.rank,
    lora_alpha: options.alpha,
    tinit: start,
    tfinal: steps - end, // counted from the end of the run
    deltaT: every,
    beta1: options.sensitivityBetas[0],
    beta2: options.sensitivityBetas[1],
    orth_reg_weight: options.orthogonality,
    total_step: steps,
    rank_pattern: Object.fromEntries(
      sites.map(({ site }) => [`${module(site.name)}.lora_E`, pattern(stored(site.name))])
    ),
    lora_dropout: options.dropout ?? 0,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true
  }
}

/**
 * As PEFT 0.21 stores it: `lora_A` [k, in], `lora_B` [out, k], `lora_E` [k, 1] with the k triplets of a site whose λ is not
 * 0, and in `rank_pattern` which of the r₀ they were.
 *
 * PEFT divides by the rank at the start, r₀ + 1e-5, in training and after loading (`resize_modules_by_rank_pattern`
 * keeps `ranknum`, as long as a triplet is left). So does our s, and the numbers are stored as they are.
 *
 * Restored, a site has r₀ triplets again, those of the file first and then zeros: it computes the same.
 */
const layout: PeftLayout<AdaloraOptions> = {
  tags: ["lora", "adalora"],
  factorsAlone: null,
  shared: [],
  shapes: ({ site, options }) => {
    const rank = initialRankOf(options)
    return { lora_A: [rank, site.in], lora_B: [site.out, rank], lora_E: [rank, 1] }
  },
  stored: ({ part }) => {
    const { A, B } = pairOf(part)
    return { lora_A: A, lora_B: B, lora_E: tf.expandDims(singularValuesOf(part), 1) }
  },
  restored: ({ part }, stored) => ({
    pairs: [{ ...pairOf(part), A: stored["lora_A"] as tf.Tensor2D, B: stored["lora_B"] as tf.Tensor2D }],
    dense: [{ ...part.dense[0]!, value: tf.squeeze(stored["lora_E"]!, [1]) }]
  }),
  files: {
    written: (stored) => {
      const remaining = pattern(stored).flatMap((stays, k) => (stays ? [k] : []))
      return triplets(stored, remaining.length, (i) => remaining[i]!)
    },
    read: ({ options }, stored) => {
      const rank = initialRankOf(options)
      const left = tripletsIn(stored)
      return left === undefined || left >= rank ? stored : triplets(stored, rank, asItIs)
    }
  },
  config: peftConfig,
  reading: {
    type: "ADALORA",
    // `rank_pattern` has lists of booleans: which triplets are left. The tensors' shapes say the same
    unread:
      "r beta1 beta2 deltaT tinit tfinal orth_reg_weight total_step rank_pattern alpha_pattern use_rslora use_dora",
    tensors: { lora_A: null, lora_B: null, lora_E: null },
    section: (fields) => ({
      section: {
        method: "adalora",
        rank: fields.number("target_r", 8, { least: 1, whole: true }),
        initialRank: fields.number("init_r", 12, { least: 1, whole: true }),
        alpha: fields.number("lora_alpha", 8, { above: 0 }),
        ...readDropout(fields)
      }
    })
  }
}

/**
 * AdaLoRA (arXiv 2303.10512): W + s·P diag(λ) Q, whose least important λ are set to 0 until the mean rank is `rank`. P
 * [out, r], λ [r], Q [r, in].
 */
export const adalora: AdapterMethod<AdaloraOptions, typeof AdaloraConfig.Encoded> = {
  ...methodFacts.adalora,
  section: AdaloraConfig,
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
    const factors = initial * (site.in + site.out)
    // importance and uncertainty of the triplets
    return { factors, dense: initial, frozen: 0, state: 2 * factors }
  },
  keepsOutputs: false,
  columns: (options) => ({ rank: initialRankOf(options), alpha: options.alpha }),
  shared: null,
  calibration: null,
  initRanks: null,
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
  forward: ({ part }, x, base, mask) => {
    const { A, B } = factorsOf(part)
    return loraLinear(x, base.W, base.bias, A, B, pairOf(part).scale, mask)
  },
  merge: ({ part }, base) =>
    tf.tidy(() => {
      const { A, B } = factorsOf(part)
      return tf.add(dequantized(base.W), tf.mul(tf.matMul(B, A), pairOf(part).scale))
    }),
  trainsBias: false,
  penalty,
  allocation: {
    ranks: rankBudget,
    optimizer: (inner, sites, steps) =>
      withAllocatedRanks(inner, {
        sites: sites.map(({ site }) => ({ pair: site.name, values: singularValuesName(site) })),
        budget: rankBudget(
          sites.map(({ options }) => options),
          steps
        ),
        betas: sites[0]!.options.sensitivityBetas
      })
  },
  sum: { by: "factors", factors: ({ part }) => ({ ...factorsOf(part), scale: pairOf(part).scale }) },
  peft: { layout },
  compared: {
    // ten times and more of LoRA's rate in a short run
    adalora: {
      label: methodFacts.adalora.label,
      ranked: true,
      learningRates: [4e-3, 1e-2, 2e-2, 4e-2],
      section: ({ rank, alpha, selection, options }) => ({
        method: "adalora",
        ...(options === undefined
          ? {}
          : {
              budget: options.budget,
              sensitivityBetas: options.sensitivityBetas,
              orthogonality: options.orthogonality
            }),
        rank,
        alpha,
        ...selection
      })
    }
  }
}
