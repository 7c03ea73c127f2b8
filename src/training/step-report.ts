/** What a step reports (plain numbers, a line of `metrics.jsonl`), and how its numbers leave the device. */

import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { squaredNorms } from "../kernels/index.ts"
import type { Conditioning } from "../optimizers/index.ts"
import { globalNorm } from "../optimizers/index.ts"
import type { Trainable } from "../tensors/index.ts"

/** Median over the adapted sites, and the worst site. */
export interface SiteSummary {
  /** over the sites */
  readonly median: number
  /** the largest or the smallest of them, whichever is worse */
  readonly worst: number
  /** that site's name */
  readonly worstSite: string
}

/** LoRA-Pro's own health; for other optimizers the relative updates alone. */
export interface Health {
  /** λ_min(BᵀB)/δ; worst = smallest; absent of optimizers that whiten nothing */
  readonly conditioning?: SiteSummary
  /** ‖ΔA‖/‖A‖ after the step; worst = largest; absent without factors */
  readonly relativeUpdateA?: SiteSummary
  /** ‖ΔB‖/‖B‖ after the step; worst = largest; absent without factors */
  readonly relativeUpdateB?: SiteSummary
}

/** A step as metrics.jsonl has it. */
export interface StepReport {
  readonly kind: "step"
  /** counted from 1 */
  readonly step: number
  /** mean over the rows of the step, before the update */
  readonly loss: number
  /** of the body; null: the optimizer has none that is known */
  readonly learningRate: number | null
  /** global norm of the raw gradients, before clipping and adjustment */
  readonly gradNorm: number
  /** rows of the step */
  readonly rows: number
  /** tokens that are not padding */
  readonly tokens: number
  /** of the step, padding not counted */
  readonly tokensPerSecond: number
  /** that the step took */
  readonly milliseconds: number
  /** size of the moves of factors relative to the factors, and how well these are conditioned, where the optimizer knows */
  readonly health: Health
}

export const summarize = (
  values: ReadonlyArray<number>,
  sites: ReadonlyArray<string>,
  worst: "smallest" | "largest"
): SiteSummary | undefined => {
  if (values.length === 0) return undefined
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const middle = order.length >> 1
  const upper = values[order[middle]!]!
  const median = order.length % 2 === 1 ? upper : (values[order[middle - 1]!]! + upper) / 2
  const index = worst === "smallest" ? order[0]! : order.at(-1)!
  return { median, worst: values[index]!, worstSite: sites[index]! }
}

/**
 * The numbers of a step, as vectors that follow one another, so that those of several steps leave the device in one read:
 *
 *   [ loss, ‖g‖, ‖ΔA₁‖², ‖ΔB₁‖², ‖ΔA₂‖², …, ‖A₁‖², ‖B₁‖², …, λ_min(B₁ᵀB₁), … ]
 *
 * with A and B after the step, and the eigenvalues of B before it. Tensor code: 2 + 4·pairs + eigenvalues together.
 */
export const stepNumbers = (
  loss: Scalar,
  gradients: Trainable,
  updates: Trainable,
  next: Trainable,
  conditionings: ReadonlyArray<Conditioning>
): ReadonlyArray<Tensor1D> => [
  tf.reshape<tf.Rank.R1>(loss, [1]),
  tf.reshape<tf.Rank.R1>(globalNorm(gradients), [1]),
  squaredNorms([updates, next].flatMap(factorsOf)),
  ...conditionings.map(({ smallest }) => tf.clone(smallest))
]

const factorsOf = ({ pairs }: Trainable): ReadonlyArray<Tensor> => pairs.flatMap(({ A, B }) => [A, B])

/** Numbers that say whether a step is finite: the eigenvalues come from parameters that were. */
const decisive = (pairs: Trainable["pairs"]): number => 2 + 4 * pairs.length

/** Where the vector is not finite first, in words; undefined where it is finite. */
export const firstNotFinite = (numbers: ArrayLike<number>, { pairs }: Trainable): string | undefined => {
  const end = decisive(pairs)
  let index = 0
  while (index < end && Number.isFinite(numbers[index])) index++
  if (index === end) return undefined
  if (index < 2) return index === 0 ? "the loss" : "the gradients"
  const site = pairs[Math.floor((index - 2) / 2) % pairs.length]!.site
  return `${index % 2 === 0 ? "A" : "B"} of ${site.name}`
}

/** Whose eigenvalues are among the numbers. */
export type ConditionedSites = Pick<Conditioning, "sites" | "damping">

export const healthOf = (
  numbers: ArrayLike<number>,
  conditionings: ReadonlyArray<ConditionedSites>,
  { pairs }: Trainable
): Health => {
  const sites = pairs.map(({ site }) => site.name)
  const relative = (factor: 0 | 1) => {
    const ratios = sites.map((_, i) => {
      const after = numbers[2 + 2 * (pairs.length + i) + factor]!
      return after === 0 ? 0 : Math.sqrt(numbers[2 + 2 * i + factor]! / after)
    })
    return summarize(ratios, sites, "largest")
  }
  const of = conditionings.flatMap(({ sites, damping }) => sites.map((site) => ({ site, damping })))
  const conditioning = of.map(({ damping }, i) =>
    damping === 0 ? Number.POSITIVE_INFINITY : numbers[decisive(pairs) + i]! / damping
  )
  const parts = {
    conditioning: summarize(
      conditioning,
      of.map(({ site }) => site),
      "smallest"
    ),
    relativeUpdateA: relative(0),
    relativeUpdateB: relative(1)
  }
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined))
}
