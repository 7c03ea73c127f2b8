/**
 * DoRA: y = (m / ‖W + s·BA‖) ⊙ (xWᵀ + s·(xAᵀ)Bᵀ) + bias, with W frozen (Liu et al. 2024, arXiv 2402.09353).
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r], m [out]. ‖·‖ is the norm of each row, as in PEFT; m is initialized to
 * that of W, so an adapted layer starts as its base. The norm is constant in the gradient (the paper's section 4.3).
 *
 * W + s·BA is never formed: ‖W + s·BA‖² = ‖W‖² + 2s·(WAᵀ) ⊙ B + s²·(B·AAᵀ) ⊙ B, each summed over its rows' entries. All
 * of it is worked out in every forward pass, ‖W‖² too: a third of these lengths' time, 1.5 % of a step of 256 tokens on
 * one thread, and nothing has to be kept that could be out of date.
 *
 * With dropout, in training, what is rescaled and what is added to it see D(x) (`dropout.ts`), as in PEFT:
 * y = xWᵀ + bias + c ⊙ (D(x)Wᵀ + s·(D(x)Aᵀ)Bᵀ) − D(x)Wᵀ, c = m / ‖W + s·BA‖. It is computed with (x − D(x))Wᵀ: one
 * more product, and D(x) is kept.
 *
 * Over LoRA a step costs O(r·out·in) for the lengths, whatever the number of tokens, and keeps the unscaled output
 * [tokens, out] of each site.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { DoraConfig, methodFacts } from "../schemas/index.ts"
import {
  type DropoutMask,
  dequantized,
  dropout,
  frozenLinear,
  loraLinear,
  scaledColumns
} from "../src/kernels/index.ts"
import { type FactorPair, stopGradient, type Trainable } from "../src/tensors/index.ts"
import type { AdapterMethod, BaseLayer } from "./adapter.ts"
import { calibrationOf, initPair } from "./init/index.ts"
import { embeddingProblem, factorProblem, factorSize, loraLayout, pairOf, readLora, scaleOf } from "./lora.ts"
import type { PeftLayout } from "./peft.ts"

/** Options of DoRA for one layer, after overrides. */
export interface DoraOptions {
  /** r, at least 1 and at most the smaller side of W */
  readonly rank: number
  /** α, greater than 0 */
  readonly alpha: number
  /** formula of the scale s of s·BA: α/r ("standard") or α/√r ("rank-stabilized") */
  readonly scaling: DoraConfig["scaling"]
  /** initialization of A and B */
  readonly init: DoraConfig["init"]
  /** dropout rate on the adapter's input in training, in [0, 1); default 0 */
  readonly dropout?: number
}

const magnitudeOf = (trained: Trainable): tf.Tensor1D => trained.dense[0]!.value as tf.Tensor1D

/** Returns the norm of each row of W + s·BA, shape [out]. */
export const rowLengths = ({ W }: BaseLayer, { A, B, scale }: FactorPair): tf.Tensor1D =>
  tf.tidy(() => {
    const squares = tf.sum(tf.square(dequantized(W)), 1)
    const AWt = frozenLinear(A, W, null) // [r, out]
    const both = tf.mul(tf.sum(tf.mul(tf.transpose(AWt), B), 1), 2 * scale)
    const low = tf.mul(tf.sum(tf.mul(tf.matMul(B, tf.matMul(A, A, false, true)), B), 1), scale * scale)
    return tf.sqrt(tf.addN([squares, both, low])) as tf.Tensor1D
  })

/** Computes `forward` with given norms: the function that is differentiated. */
export const doraLinear = (
  trained: Trainable,
  x: tf.Tensor2D,
  { W, bias }: BaseLayer,
  lengths: tf.Tensor1D,
  mask?: DropoutMask
): tf.Tensor2D => {
  const { A, B, scale } = pairOf(trained)
  const factor = tf.div<tf.Tensor1D>(magnitudeOf(trained), lengths)
  if (mask === undefined) return scaledColumns(loraLinear(x, W, null, A, B, scale), factor, bias)
  const seen = dropout(x, mask)
  const whole = frozenLinear(tf.sub(x, seen), W, bias)
  return tf.add(whole, scaledColumns(loraLinear(seen, W, null, A, B, scale), factor, null))
}

const MAGNITUDE = "lora_magnitude_vector"

/** As PEFT 0.21 stores it: LoRA's tensors, and `lora_magnitude_vector` [out]. */
const layout: PeftLayout<DoraOptions> = {
  tags: ["lora", "dora"],
  factorsAlone: null,
  shared: [],
  atConvolution: { ...loraLayout.atConvolution, [MAGNITUDE]: "vector" },
  shapes: (part) => ({ ...loraLayout.shapes(part), [MAGNITUDE]: [part.site.out] }),
  stored: (part) => ({ ...loraLayout.stored(part), [MAGNITUDE]: magnitudeOf(part.part) }),
  restored: (part, stored) => ({
    ...loraLayout.restored(part, stored),
    dense: [{ ...part.part.dense[0]!, value: stored[MAGNITUDE]! }]
  }),
  config: (source) => ({ ...loraLayout.config(source), use_dora: true }),
  reading: {
    type: "LORA",
    isOwn: ({ use_dora }) => use_dora === true,
    unread: "",
    tensors: { ...loraLayout.reading.tensors, [MAGNITUDE]: null },
    section: readLora
  }
}

/** DoRA (arXiv 2402.09353): m ⊙ (W + s·BA) / ‖W + s·BA‖ by rows, with m [out], A [r, in] and B [out, r] trained. */
export const dora: AdapterMethod<DoraOptions, typeof DoraConfig.Encoded> = {
  ...methodFacts.dora,
  section: DoraConfig,
  problem: (site, options) =>
    site.kind === "embedding" ? embeddingProblem(site, "dora") : factorProblem(site, options),
  size: (site, options) => ({ ...factorSize(site, options), dense: site.out, state: 0 }),
  keepsOutputs: true,
  columns: ({ rank, alpha }) => ({ rank, alpha }),
  shared: null,
  calibration: ({ init }) => calibrationOf(init),
  initRanks: null,
  init: (site, { rank, alpha, scaling, init }, source) =>
    Effect.map(initPair(init, { site, rank, scale: scaleOf(scaling, rank, alpha) }, source), (part) => ({
      ...part,
      dense: [{ name: `${site.name}.magnitude`, role: "body", value: rowLengths(source, part.pairs[0]!) }]
    })),
  dropout: (_site, { dropout: rate = 0 }) => rate,
  forward: ({ part }, x, base, mask) =>
    doraLinear(
      part,
      x,
      base,
      stopGradient(() => rowLengths(base, pairOf(part))),
      mask
    ),
  merge: ({ part }, base) =>
    tf.tidy(() => {
      const { A, B, scale } = pairOf(part)
      const W = tf.add<tf.Tensor2D>(dequantized(base.W), tf.mul(tf.matMul(B, A), scale))
      const factor = tf.div(magnitudeOf(part), rowLengths(base, pairOf(part)))
      return tf.mul(W, tf.expandDims(factor, 1))
    }),
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: { by: null, because: "whose weights are not a linear function of its parameters" },
  peft: { layout },
  compared: {
    dora: {
      label: methodFacts.dora.label,
      ranked: true,
      learningRates: [5e-4, 1e-3, 2e-3, 4e-3],
      section: ({ rank, alpha, overrides, selection }) => ({ method: "dora", rank, alpha, overrides, ...selection })
    }
  }
}
