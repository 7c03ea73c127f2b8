/**
 * The golden trace of AdaLoRA (`test/golden/lora_pro/adalora.json`): PEFT's own numbers, and the same as trees of
 * tensors.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type AdaloraOptions, adalora, type BaseLayer, noCalibration } from "../../adapters/index.ts"
import type { LinearSite, Trainable } from "../../src/tensors/trainable.ts"
import golden from "../golden/lora_pro/adalora.json" with { type: "json" }

type Matrix = ReadonlyArray<ReadonlyArray<number>>
/** by PEFT's names, e.g. `0.lora_A.default` */
type Named<T> = Readonly<Record<string, T>>

export interface GoldenStep {
  readonly step: number
  readonly budget: number
  /** whether λ were set to 0 */
  readonly mask: boolean
  readonly y: Matrix
  readonly loss: number
  readonly orthogonal_regulariser: number
  /** after the optimizer's step, and before any λ is set to 0 */
  readonly parameters: Named<Matrix>
  /** of the loss and the penalty */
  readonly gradients: Named<Matrix>
  /** empty after the last allocation */
  readonly exp_avg_ipt: Named<Matrix>
  readonly exp_avg_unc: Named<Matrix>
  /** by layer; where λ were set to 0 by them */
  readonly scores?: Named<ReadonlyArray<number>>
  readonly rank_pattern: Named<ReadonlyArray<boolean>> | null
  readonly E_after: Named<Matrix>
}

export const { config } = golden
export const steps = golden.steps as unknown as ReadonlyArray<GoldenStep>

/** Names of the two linear layers. */
export const layers = ["0", "2"] as const

const base = golden.base as Named<Matrix | ReadonlyArray<number>>

export const x = (): tf.Tensor2D => tf.tensor2d(golden.x)
export const target = (): tf.Tensor2D => tf.tensor2d(golden.target)

/** The plan's words for PEFT's configuration; `steps`: its total_step. */
export const options: AdaloraOptions = {
  rank: config.target_r,
  initialRank: config.init_r,
  alpha: config.lora_alpha,
  budget: {
    start: config.tinit / config.total_step,
    end: 1 - config.tfinal / config.total_step,
    every: config.deltaT
  },
  sensitivityBetas: [config.beta1, config.beta2],
  orthogonality: config.orth_reg_weight
}

export const sites: ReadonlyArray<LinearSite> = layers.map((layer) => {
  const W = base[`${layer}.base_layer.weight`] as Matrix
  return { name: layer, kind: "dense", out: W.length, in: W[0]!.length }
})

export const baseOf = ({ name }: LinearSite): BaseLayer => ({
  W: tf.tensor2d(base[`${name}.base_layer.weight`] as number[][]),
  bias: tf.tensor1d(base[`${name}.base_layer.bias`] as number[])
})

/** Both sites as they start, for their structure and scales. */
export const initParts = (): ReadonlyArray<Trainable> =>
  sites.map((site) =>
    Effect.runSync(adalora.init(site, options, { ...baseOf(site), random: () => 0.5, calibrate: noCalibration }))
  )

/** A, B and λ of both sites in PEFT's numbers, one part after the other. */
export const partsOf = (numbers: Named<Matrix>, E: Named<Matrix> = numbers): ReadonlyArray<Trainable> =>
  initParts().map((part, i) => {
    const named = (factor: string) => `${layers[i]}.lora_${factor}.default`
    const matrix = (factor: string) => tf.tensor2d(numbers[named(factor)] as number[][])
    return {
      pairs: [{ ...part.pairs[0]!, A: matrix("A"), B: matrix("B") }],
      dense: [{ ...part.dense[0]!, value: tf.tensor1d(E[named("E")]!.flat()) }]
    }
  })

/** The parts as one tree. */
export const treeOf = (parts: ReadonlyArray<Trainable>): Trainable => ({
  pairs: parts.flatMap(({ pairs }) => pairs),
  dense: parts.flatMap(({ dense }) => dense)
})

/** All numbers of both sites in the order of a tree's tensors: A and B of each, then the λ. */
export const inTreeOrder = (
  numbers: Named<Matrix>,
  E: Named<Matrix> = numbers
): ReadonlyArray<ReadonlyArray<number>> => [
  ...layers.flatMap((layer) => ["A", "B"].map((factor) => numbers[`${layer}.lora_${factor}.default`]!.flat())),
  ...layers.map((layer) => E[`${layer}.lora_E.default`]!.flat())
]
