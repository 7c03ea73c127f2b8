/**
 * LoRA: y = xWᵀ + bias + s·(xAᵀ)Bᵀ, with W frozen (Hu et al. 2021, arXiv 2106.09685).
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r]. B starts at 0, so an adapted site starts as the base.
 * rsLoRA is this method with another scale (`scaling.ts`); LoRA-Pro and LoRA+ are this method under another optimizer.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { LoraConfig } from "../schemas/index.ts"
import { loraLinear } from "../src/kernels/lora-linear.ts"
import { widened } from "../src/kernels/widen.ts"
import type { FactorPair, Trainable } from "../src/tensors/trainable.ts"
import type { AdapterMethod } from "./adapter.ts"
import { gaussian } from "./init/gaussian.ts"
import { kaiming } from "./init/kaiming.ts"
import { scaleOf } from "./scaling.ts"

/** What one site needs to know of the plan (overrides applied). */
export interface LoraOptions {
  readonly rank: number
  readonly alpha: number
  readonly scaling: LoraConfig["scaling"]
  readonly init: LoraConfig["init"]
}

const pairOf = (trained: Trainable): FactorPair => trained.pairs[0]!

export const lora: AdapterMethod<LoraOptions> = {
  method: "lora",
  problem: (site, { rank }) =>
    rank <= Math.min(site.out, site.in)
      ? undefined
      : `rank ${rank} is larger than ${site.name} allows: W is [${site.out}, ${site.in}], so at most ${Math.min(site.out, site.in)}`,
  init: (site, { rank, alpha, scaling, init }, { random }) =>
    Effect.sync(() => {
      const length = rank * site.in
      const start = init.kind === "kaiming" ? kaiming(length, site.in, random) : gaussian(length, rank, random)
      const pair: FactorPair = {
        site,
        A: tf.tensor2d(start, [rank, site.in]),
        B: tf.zeros([site.out, rank]) as tf.Tensor2D,
        scale: scaleOf(scaling, rank, alpha)
      }
      return { pairs: [pair], dense: [] }
    }),
  forward: (_site, trained, x, base) => {
    const { A, B, scale } = pairOf(trained)
    return loraLinear(x, base.W, base.bias, A, B, scale)
  },
  merge: (_site, trained, base) =>
    tf.tidy(() => {
      const { A, B, scale } = pairOf(trained)
      return tf.add(widened(base.W), tf.mul(tf.matMul(B, A), scale))
    })
}
