/**
 * LoRA as PEFT 0.21 stores it: `lora_A.weight` [r, in], `lora_B.weight` [out, r].
 *
 * A pair that subtracts its start (PiSSA, LoRA-GA) is stored with it, as one pair of rank 2r: [A; A₀] and [B, −B₀]. α is changed so that
 * the scale stays; PEFT then computes the same over the original base, and needs to know nothing of the start.
 */
import * as tf from "@tensorflow/tfjs"
import {
  isSubtracted,
  type LoraOptions,
  type SelectedSite,
  type SitePart,
  wholeFactors
} from "../../../adapters/index.ts"
import type { DoraConfig, LoraConfig } from "../../../schemas/index.ts"
import type { FactorPair, Factors, Trainable } from "../../tensors/index.ts"
import type { ConfigSource, PeftFormat, SiteTensors } from "./format.ts"

export const pairOf = ({ part }: SitePart<unknown>): FactorPair => part.pairs[0]!

export const factorShapes = ({ site, options }: SitePart<LoraOptions>): SiteTensors<ReadonlyArray<number>> => {
  const { rank } = storedSizes(options)
  return { "lora_A.weight": [rank, site.in], "lora_B.weight": [site.out, rank] }
}

export const storedFactors = (part: SitePart<unknown>): SiteTensors<tf.Tensor> => {
  const { A, B } = wholeFactors(pairOf(part))
  return { "lora_A.weight": A, "lora_B.weight": B }
}

export const restoredPair = (part: SitePart<LoraOptions>, stored: SiteTensors<tf.Tensor>): FactorPair => {
  const { site, options } = part
  const { rank } = options
  const { scale } = pairOf(part)
  const [A, B] = [stored["lora_A.weight"] as tf.Tensor2D, stored["lora_B.weight"] as tf.Tensor2D]
  if (!isSubtracted(options.init)) return { site, A, B, scale }
  const halves = (first: number): Factors => ({
    A: tf.slice(A, [first, 0], [rank, site.in]),
    B: tf.slice(B, [0, first], [site.out, rank])
  })
  const start = halves(rank)
  return { site, ...halves(0), scale, start: { A: start.A, B: tf.neg(start.B) } }
}

/** r and α of what is stored: twice the rank where the start is stored too, with the α that leaves the scale as it is. */
export const storedSizes = ({ rank, alpha, scaling, init }: LoraOptions) => {
  if (!isSubtracted(init)) return { rank, alpha }
  return { rank: 2 * rank, alpha: alpha * (scaling === "rank-stabilized" ? Math.SQRT2 : 2) }
}

/** Ranks and alphas that differ from the first ones go into `rank_pattern` and `alpha_pattern`, under full module names. */
export const factorConfig = (
  config: LoraConfig | DoraConfig,
  sites: ReadonlyArray<SelectedSite<LoraOptions>>,
  { module }: Pick<ConfigSource<unknown, unknown>, "module">
) => {
  const common = storedSizes(config)
  const sizes = sites.map(({ site, options }) => ({ name: module(site.name), ...storedSizes(options) }))
  const pattern = (key: "rank" | "alpha") =>
    Object.fromEntries(sizes.filter((own) => own[key] !== common[key]).map((own) => [own.name, own[key]]))
  return {
    peft_type: "LORA",
    r: common.rank,
    lora_alpha: common.alpha,
    use_rslora: config.scaling === "rank-stabilized",
    rank_pattern: pattern("rank"),
    alpha_pattern: pattern("alpha"),
    lora_dropout: config.dropout,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true
  }
}

export const loraFormat: PeftFormat<LoraConfig, LoraOptions> = {
  shapes: factorShapes,
  stored: storedFactors,
  restored: (part, stored): Trainable => ({ pairs: [restoredPair(part, stored)], dense: [] }),
  config: (source) => ({ ...factorConfig(source.config, source.sites, source), use_dora: false })
}
