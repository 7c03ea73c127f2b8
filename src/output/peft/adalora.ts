/**
 * AdaLoRA as PEFT 0.21 stores it: `lora_A` [k, in], `lora_B` [out, k], `lora_E` [k, 1] with the k triplets of a site
 * whose λ is not 0, and in `rank_pattern` which of the r₀ they were.
 *
 * PEFT divides by the rank at the start, r₀ + 1e-5, in training and after loading (`resize_modules_by_rank_pattern`
 * keeps `ranknum`, as long as a triplet is left). So does our s, and the numbers are stored as they are.
 *
 * Restored, a site has r₀ triplets again, those of the file first and zeros behind them: it computes the same.
 */
import * as tf from "@tensorflow/tfjs"
import { type AdaloraOptions, initialRankOf, rankBudget } from "../../../adapters/index.ts"
import type { AdaloraConfig } from "../../../schemas/index.ts"
import type { HostTensor } from "../../safetensors/index.ts"
import type { ConfigSource, PeftFormat, SiteTensors } from "./format.ts"
import { pairOf } from "./lora.ts"

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

const same = (index: number): number => index

/** `count` triplets, the i-th of which was triplet(i). */
const triplets = (
  { lora_A: A, lora_B: B, lora_E: E }: SiteTensors<HostTensor>,
  count: number,
  triplet: (i: number) => number
): SiteTensors<HostTensor> => ({
  lora_A: arranged(A!, [count, A!.shape[1]!], [triplet, same]),
  lora_B: arranged(B!, [B!.shape[0]!, count], [same, triplet]),
  lora_E: arranged(E!, [count, E!.shape[1]!], [triplet, same])
})

/** k, where three tensors agree on it. */
const tripletsIn = ({ lora_A: A, lora_B: B, lora_E: E }: SiteTensors<HostTensor>): number | undefined => {
  const counts = [A?.shape[0], B?.shape[1], E?.shape[0]]
  const matrices = [A, B, E].every((tensor) => tensor?.shape.length === 2)
  return matrices && counts.every((count) => count === counts[0]) ? counts[0] : undefined
}

const config = ({ config, sites, steps, module, stored }: ConfigSource<AdaloraConfig, AdaloraOptions>) => {
  const { start, end, every } = rankBudget(
    sites.map(({ options }) => options),
    steps
  )
  return {
    peft_type: "ADALORA",
    init_r: initialRankOf(config),
    target_r: config.rank,
    lora_alpha: config.alpha,
    tinit: start,
    tfinal: steps - end, // counted from the end of the run
    deltaT: every,
    beta1: config.sensitivityBetas[0],
    beta2: config.sensitivityBetas[1],
    orth_reg_weight: config.orthogonality,
    total_step: steps,
    rank_pattern: Object.fromEntries(
      sites.map(({ site }) => [`${module(site.name)}.lora_E`, pattern(stored(site.name))])
    ),
    lora_dropout: config.dropout,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true
  }
}

export const adaloraFormat: PeftFormat<AdaloraConfig, AdaloraOptions> = {
  shapes: ({ site, options }) => {
    const rank = initialRankOf(options)
    return { lora_A: [rank, site.in], lora_B: [site.out, rank], lora_E: [rank, 1] }
  },
  stored: (part) => {
    const { A, B } = pairOf(part)
    return { lora_A: A, lora_B: B, lora_E: tf.expandDims(part.part.dense[0]!.value, 1) }
  },
  restored: (part, stored) => ({
    pairs: [{ ...pairOf(part), A: stored["lora_A"] as tf.Tensor2D, B: stored["lora_B"] as tf.Tensor2D }],
    dense: [{ ...part.part.dense[0]!, value: tf.squeeze(stored["lora_E"]!, [1]) }]
  }),
  files: {
    written: (stored) => {
      const kept = pattern(stored).flatMap((stays, k) => (stays ? [k] : []))
      return triplets(stored, kept.length, (i) => kept[i]!)
    },
    read: ({ options }, found) => {
      const rank = initialRankOf(options)
      const left = tripletsIn(found)
      return left === undefined || left >= rank ? found : triplets(found, rank, same)
    }
  },
  config
}
