/** Report of a training step (plain numbers, a line of `metrics.jsonl`), and its readback from the device. */

import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { squaredNorms } from "../kernels/index.ts"
import type { Conditioning } from "../optimizers/index.ts"
import { globalNorm } from "../optimizers/index.ts"
import type { Trainable } from "../tensors/index.ts"

/** Median over the adapted layers, and the worst layer. */
export interface SiteSummary {
  /** median over the layers */
  readonly median: number
  /** largest or smallest value, whichever is worse */
  readonly worst: number
  /** name of the worst layer */
  readonly worstSite: string
}

/** Health of a step: relative updates, and for optimizers that whiten (LoRA-Pro) the conditioning. */
export interface Health {
  /** λ_min(BᵀB)/δ; worst: smallest; absent for optimizers without whitening */
  readonly conditioning?: SiteSummary
  /** ‖ΔA‖/‖A‖ after the step; worst: largest; absent without factors */
  readonly relativeUpdateA?: SiteSummary
  /** ‖ΔB‖/‖B‖ after the step; worst: largest; absent without factors */
  readonly relativeUpdateB?: SiteSummary
}

/** Report of a training step, as in metrics.jsonl. */
export interface StepReport {
  readonly kind: "step"
  /** step, counted from 1 */
  readonly step: number
  /** mean over the rows of the step, before the update */
  readonly loss: number
  /** learning rate of all parameters except the head's; null: the optimizer reports none */
  readonly learningRate: number | null
  /** global norm of the raw gradients, before clipping and adjustment */
  readonly gradNorm: number
  /** number of rows in the step */
  readonly rows: number
  /** number of tokens in the step, without padding */
  readonly tokens: number
  /** throughput of the step, without padding */
  readonly tokensPerSecond: number
  /** duration of the step, in ms */
  readonly milliseconds: number
  /** relative size of the factors' updates, and their conditioning if the optimizer reports it */
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
 * Returns the numbers of a step as consecutive vectors, so that those of several steps are read from the device at once:
 *
 *   [ loss, ‖g‖, ‖ΔA₁‖², ‖ΔB₁‖², ‖ΔA₂‖², …, ‖A₁‖², ‖B₁‖², …, λ_min(B₁ᵀB₁), … ]
 *
 * with A and B after the step, and the eigenvalues of B before it. Tensor code: 2 + 4·pairs + eigenvalues in all.
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

/** Returns the first place where the vector is not finite, in words; undefined if it is finite. */
export const firstNotFinite = (numbers: ArrayLike<number>, { pairs }: Trainable): string | undefined => {
  const end = decisive(pairs)
  let index = 0
  while (index < end && Number.isFinite(numbers[index])) index++
  if (index === end) return undefined
  if (index < 2) return index === 0 ? "the loss" : "the gradients"
  const site = pairs[Math.floor((index - 2) / 2) % pairs.length]!.site
  return `${index % 2 === 0 ? "A" : "B"} of ${site.name}`
}

/** Layers whose eigenvalues are among the numbers. */
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
