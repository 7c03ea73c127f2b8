/**
 * LoHa: y = xWᵀ + bias + s·x((B₁A₁) ⊙ (B₂A₂))ᵀ, with W frozen (FedPara, Hyeon-Woo et al. 2021, arXiv 2108.06098; as an adapter in LyCORIS,
 * Yeh et al. 2023, arXiv 2309.14859; PEFT's convention).
 *
 * Shapes: x [tokens, in], W [out, in], A₁ and A₂ [r, in], B₁ and B₂ [out, r], s = α/r. An element-wise product of two matrices of rank r has a
 * rank of up to r²: with twice LoRA's parameters it reaches r times its rank. A₂ is initialized to 0, so an adapted layer starts as its base.
 *
 * An element-wise product of products is itself a product BA with as many columns of B as there are pairs of columns of B₁ and B₂:
 *
 *   column (i, j) of B = B₁[:, i] ⊙ B₂[:, j]        row (i, j) of A = A₁[i] ⊙ A₂[j]
 *
 * so LoRA's kernels compute it, at rank r². Where W is too small for that rank, one factor is ΔW/s and the other the identity. With dropout
 * the adapter sees D(x) in training (`dropout.ts`), and W sees x. PEFT drops rows of ΔW instead (`rank_dropout`) or whole layers
 * (`module_dropout`), both in training alone: adapters that were trained so are read, and are trained further without them.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { LohaConfig, methodFacts } from "../schemas/index.ts"
import { dequantized, loraLinear } from "../src/kernels/index.ts"
import type { Factors, LinearSite, Trainable } from "../src/tensors/index.ts"
import type { AdapterMethod } from "./adapter.ts"
import { embeddingProblem, rankProblem, readSizes, sizePatterns } from "./lora.ts"
import type { PeftLayout } from "./peft.ts"

/** Options of LoHa for one layer, after overrides. */
export type LohaOptions = Pick<LohaConfig, "rank" | "alpha"> & {
  /** dropout rate on the adapter's input in training, in [0, 1); default 0 */
  readonly dropout?: number
}

/** PEFT's names of B₁, A₁, B₂ and A₂, in the order in which a site has them. */
const names = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"] as const
type Four<T> = readonly [B1: T, A1: T, B2: T, A2: T]

const shapesOf = ({ in: inputs, out }: LinearSite, rank: number): Four<[number, number]> => [
  [out, rank],
  [rank, inputs],
  [out, rank],
  [rank, inputs]
]

const scaleOf = ({ rank, alpha }: Pick<LohaOptions, "rank" | "alpha">): number => alpha / rank

const fourOf = ({ dense }: Trainable) => dense.map(({ value }) => value) as unknown as Four<tf.Tensor2D>

/** (B₁A₁) ⊙ (B₂A₂) */
const hadamard = ([B1, A1, B2, A2]: Four<tf.Tensor2D>): tf.Tensor2D => tf.mul(tf.matMul(B1, A1), tf.matMul(B2, A2))

/** Whether LoRA's kernels compute it at rank r². */
const hasRoom = ({ in: inputs, out }: LinearSite, rank: number): boolean => rank * rank <= Math.min(inputs, out)

/** A and B, whose BA is ΔW/s. */
const factorsOf = (site: LinearSite, trained: Trainable): Factors => {
  const four = fourOf(trained)
  const [B1, A1, B2, A2] = four
  const { in: inputs, out } = site
  const [rank] = A1.shape
  if (hasRoom(site, rank))
    return {
      A: tf.reshape(tf.mul(tf.expandDims(A1, 1), tf.expandDims(A2, 0)), [rank * rank, inputs]),
      B: tf.reshape(tf.mul(tf.expandDims(B1, 2), tf.expandDims(B2, 1)), [out, rank * rank])
    }
  return out <= inputs ? { A: hadamard(four), B: tf.eye(out) } : { A: tf.eye(inputs), B: hadamard(four) }
}

/** Numbers of what `factorsOf` makes, which the backward pass needs. */
const formed = (site: LinearSite, rank: number): number => {
  const { in: inputs, out } = site
  return hasRoom(site, rank) ? rank * rank * (inputs + out) : 3 * inputs * out + Math.min(inputs, out) ** 2
}

/** As PEFT 0.21 stores it: `hada_w1_a` (B₁) and `hada_w2_a` (B₂) [out, r], `hada_w1_b` (A₁) and `hada_w2_b` (A₂) [r, in]. */
const layout: PeftLayout<LohaOptions> = {
  tags: ["loha"],
  factorsAlone: null,
  shared: [],
  atConvolution: { hada_w1_b: "columns", hada_w2_b: "columns" },
  shapes: ({ site, options: { rank } }) => {
    const shapes = shapesOf(site, rank)
    return Object.fromEntries(names.map((name, i) => [name, shapes[i]!]))
  },
  stored: ({ part: { dense } }) => Object.fromEntries(names.map((name, i) => [name, dense[i]!.value])),
  restored: ({ part: { dense } }, stored) => ({
    pairs: [],
    dense: names.map((name, i) => ({ ...dense[i]!, value: stored[name]! }))
  }),
  config: (source) => ({
    peft_type: "LOHA",
    r: source.options.rank,
    alpha: source.options.alpha,
    ...sizePatterns(source, (options) => options),
    rank_dropout: 0,
    module_dropout: 0,
    use_effective_conv2d: false,
    init_weights: true
  }),
  reading: {
    type: "LOHA",
    unread: "rank_dropout module_dropout use_effective_conv2d init_weights",
    tensors: { hada_w1_a: 1, hada_w1_b: 0, hada_w2_a: 1, hada_w2_b: 0 },
    section: (fields) => {
      const sizes = readSizes(fields, "alpha", (rank, alpha) => scaleOf({ rank, alpha }))
      return { section: { method: "loha", rank: sizes.rank, alpha: sizes.alpha }, sizes }
    },
    added: (stored) => hadamard(names.map((name) => stored[name]) as unknown as Four<tf.Tensor2D>)
  }
}

/** LoHa (arXiv 2108.06098): W + s·(B₁A₁) ⊙ (B₂A₂), with A₁, A₂ [r, in] and B₁, B₂ [out, r] trained, s = α/r. */
export const loha: AdapterMethod<LohaOptions, typeof LohaConfig.Encoded> = {
  ...methodFacts.loha,
  section: LohaConfig,
  problem: (site, { rank }) => (site.kind === "embedding" ? embeddingProblem(site, "loha") : rankProblem(site, rank)),
  size: (site, { rank }) => ({
    factors: 0,
    dense: 2 * rank * (site.in + site.out),
    frozen: 0,
    state: 0,
    formed: formed(site, rank)
  }),
  keepsOutputs: false,
  columns: ({ rank, alpha }) => ({ rank, alpha }),
  shared: null,
  calibration: null,
  initRanks: null,
  // uniform in ±1/√columns (Kaiming, as in PEFT 0.21), and A₂ = 0
  init: (site, { rank }, { random }) =>
    Effect.sync(() => ({
      pairs: [],
      dense: shapesOf(site, rank).map(([rows, columns], i) => {
        const bound = names[i] === "hada_w2_b" ? 0 : 1 / Math.sqrt(columns)
        const values = Float32Array.from({ length: rows * columns }, () => bound * (2 * random() - 1))
        return { name: `${site.name}.${names[i]}`, role: "body", value: tf.tensor2d(values, [rows, columns]) }
      })
    })),
  dropout: (_site, { dropout = 0 }) => dropout,
  forward: ({ site, options, part }, x, base, mask) => {
    const { A, B } = factorsOf(site, part)
    return loraLinear(x, base.W, base.bias, A, B, scaleOf(options), mask)
  },
  merge: ({ options, part }, base) =>
    tf.tidy(() => tf.add(dequantized(base.W), tf.mul(hadamard(fourOf(part)), scaleOf(options)))),
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: {
    by: "factors",
    factors: ({ site, options, part }) => ({ ...factorsOf(site, part), scale: scaleOf(options as LohaOptions) })
  },
  peft: { layout },
  compared: {
    // ΔW is a product of four numbers, of which one is 0 at first: it takes ten times LoRA's rate
    loha: {
      label: methodFacts.loha.label,
      ranked: true,
      learningRates: [4e-3, 1e-2, 2e-2, 4e-2],
      section: ({ rank, alpha, overrides, selection }) => ({ method: "loha", rank, alpha, overrides, ...selection })
    }
  }
}
