/**
 * Full fine-tuning of the targets, as an adapter method, so that a comparison changes one field of a plan:
 * y = xWᵀ + bias, where W [out, in] and bias [out] are trained.
 *
 * The reference in the paper: the update that LoRA-Pro approximates as closely as a rank-r update of (A, B) can.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { FullConfig, methodFacts } from "../schemas/index.ts"
import { denseLinear, dequantized, embedded } from "../src/kernels/index.ts"
import type { DenseParameter } from "../src/tensors/index.ts"
import type { AdapterMethod } from "./adapter.ts"

/** Full fine-tuning: trains the targets' own W [out, in] and bias [out]. */
export const full: AdapterMethod<Record<never, never>, typeof FullConfig.Encoded> = {
  ...methodFacts.full,
  section: FullConfig,
  size: (site) => ({
    factors: 0,
    dense: site.out * site.in + (site.bias === false ? 0 : site.out),
    frozen: 0,
    state: 0
  }),
  keepsOutputs: false,
  columns: () => ({}),
  shared: null,
  calibration: null,
  initRanks: null,
  dropout: null,
  init: (site, _options, { W, bias }) =>
    Effect.sync(() => {
      const weight: DenseParameter = {
        name: `${site.name}.weight`,
        role: "body",
        value: tf.tidy(() => tf.clone(dequantized(W)))
      }
      if (bias === null) return { pairs: [], dense: [weight] }
      return { pairs: [], dense: [weight, { name: `${site.name}.bias`, role: "body", value: tf.clone(bias) }] }
    }),
  forward: ({ site, part: { dense } }, x) => {
    const W = dense[0]!.value as tf.Tensor2D
    if (site.kind === "embedding") return embedded(x, W)
    return denseLinear(x, W, (dense[1]?.value as tf.Tensor1D | undefined) ?? null)
  },
  merge: ({ part: { dense } }) => tf.clone(dense[0]!.value as tf.Tensor2D),
  trainsBias: true,
  penalty: null,
  allocation: null,
  sum: { by: "values" },
  peft: {
    layout: null,
    because: "PEFT stores additions to weights; full fine-tuning trains and saves the weights themselves"
  },
  compared: {
    full: {
      label: methodFacts.full.label,
      ranked: false,
      learningRates: [3e-5, 1e-4, 2e-4, 4e-4],
      section: ({ selection }) => ({ method: "full", ...selection })
    }
  }
}
