/**
 * LoRA: y = xWᵀ + bias + s·(xAᵀ)Bᵀ, with W frozen (Hu et al. 2021, arXiv 2106.09685).
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r]. An adapted site starts as its base: B starts at 0, or what BA starts with
 * is subtracted, y = xWᵀ + bias + s·(xAᵀ)Bᵀ − s·(xA₀ᵀ)B₀ᵀ, as one thin pair of rank 2r whose second half is frozen. W itself stays as
 * it is, packed or shared, and so does its rounding.
 * With dropout A sees D(x) in training (`dropout.ts`), and W sees x.
 * At an embedding x are row numbers: rows of Wᵀ and of Aᵀ are looked up (`kernels/embedding.ts`), and nothing is
 * dropped, as in PEFT.
 * rsLoRA is this method with another scale (`scaling.ts`), PiSSA, LoRA-GA and EVA with another init (`init/`); LoRA-Pro and LoRA+ are
 * this method under another optimizer.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { LoraConfig } from "../schemas/index.ts"
import { dequantized } from "../src/kernels/dequantize.ts"
import { loraEmbedded } from "../src/kernels/embedding.ts"
import { loraLinear } from "../src/kernels/lora-linear.ts"
import type { LinearSite } from "../src/tensors/linear.ts"
import type { FactorPair, Factors, Trainable } from "../src/tensors/trainable.ts"
import type { AdapterMethod } from "./adapter.ts"
import { calibrationOf, initPair, initProblem } from "./init/index.ts"
import { scaleOf } from "./scaling.ts"

/** What one site needs to know of the plan (overrides applied). */
export interface LoraOptions {
  readonly rank: number
  readonly alpha: number
  readonly scaling: LoraConfig["scaling"]
  readonly init: LoraConfig["init"]
  /** default 0 */
  readonly dropout?: number
}

const pairOf = (trained: Trainable): FactorPair => trained.pairs[0]!

/** The factors of ΔW = s·BA: a pair that subtracts its start is one of twice the rank. */
export const wholeFactors = ({ A, B, start }: Omit<FactorPair, "site" | "scale">): Factors =>
  start === undefined ? { A, B } : { A: tf.concat([A, start.A], 0), B: tf.concat([B, tf.neg<tf.Tensor2D>(start.B)], 1) }

/** Why a site that looks rows up cannot be adapted by a method that multiplies. */
export const embeddingProblem = ({ name }: LinearSite, method: string): string =>
  `${name} is an embedding, which ${method} does not adapt; expected targets without it, or method "lora" or "full"`

/** Why a site cannot have factors of this rank with this init. */
export const factorProblem = (site: LinearSite, { rank, init }: LoraOptions): string | undefined => {
  if (site.kind === "embedding" && calibrationOf(init)?.what === "inputs") return initWithoutInputs(site, init.kind)
  return rank <= Math.min(site.out, site.in)
    ? initProblem(init, site, rank)
    : `rank ${rank} is larger than ${site.name} allows: W is [${site.out}, ${site.in}], so at most ${Math.min(site.out, site.in)}`
}

const initWithoutInputs = ({ name }: LinearSite, init: string): string =>
  `${name} is an embedding, whose inputs are row numbers, and "${init}" is computed from the inputs; expected targets without it, or another init`

export const lora: AdapterMethod<LoraOptions> = {
  method: "lora",
  problem: factorProblem,
  size: (site, { rank }) => ({ factors: rank * (site.in + site.out), dense: 0 }),
  wants: ({ init }) => calibrationOf(init),
  init: (site, { rank, alpha, scaling, init }, source) =>
    Effect.map(initPair(init, { site, rank, scale: scaleOf(scaling, rank, alpha) }, source), (pair) => ({
      pairs: [pair],
      dense: []
    })),
  dropout: ({ kind }, { dropout = 0 }) => (kind === "embedding" ? 0 : dropout),
  forward: (site, trained, x, base, mask) => {
    const pair = pairOf(trained)
    const { A, B } = wholeFactors(pair)
    if (site.kind === "embedding") return loraEmbedded(x, base.W, A, B, pair.scale)
    return loraLinear(x, base.W, base.bias, A, B, pair.scale, mask)
  },
  merge: (_site, trained, base) =>
    tf.tidy(() => {
      const pair = pairOf(trained)
      const { A, B } = wholeFactors(pair)
      return tf.add(dequantized(base.W), tf.mul(tf.matMul(B, A), pair.scale))
    })
}
