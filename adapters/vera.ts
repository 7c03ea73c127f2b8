/**
 * VeRA: y = xWᵀ + bias + ((xAᵀ ⊙ d)Bᵀ) ⊙ b, with W, A and B frozen (Kopiczko et al. 2023, arXiv 2310.11454).
 *
 * Shapes: x [tokens, in], W [out, in], d [r], b [out]; A [r, in] and B [out, r] are the first columns and the first rows of two random
 * matrices that all layers share, as wide as the widest and as tall as the tallest layer. ΔW = diag(b) B diag(d) A. b is initialized to 0, so
 * an adapted layer starts as its base.
 *
 * The shared matrices are uniform in ±√(6/columns) (Kaiming, as in PEFT 0.21), drawn with the plan's key from torch's CPU
 * generator: with PEFT's `projection_prng_key` they equal PEFT's, bit for bit. Its files contain them nevertheless (`save_projection`), and
 * those are restored.
 *
 * With dropout, A sees D(x) in training (`dropout.ts`), and W sees x. There is no scale s: d and b contain it. Ranks of 256 and more are
 * usual, and a rank above that of W is valid: a rank costs only one parameter per layer here.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { methodFacts, VeraConfig } from "../schemas/index.ts"
import { dequantized, loraLinear } from "../src/kernels/index.ts"
import type { Factors, LinearSite, Trainable } from "../src/tensors/index.ts"
import type { AdapterMethod, SiteOptions } from "./adapter.ts"
import { embeddingProblem, readDropout } from "./lora.ts"
import type { PeftLayout } from "./peft.ts"

/** Options of VeRA: the same for all layers, since they share A and B. */
export type VeraOptions = Pick<VeraConfig, "rank" | "dInitial" | "projectionKey"> & {
  /** dropout rate on the adapter's input in training, in [0, 1); default 0 */
  readonly dropout?: number
}

type Sites = ReadonlyArray<SiteOptions<VeraOptions>>

/** [rows, columns] of the shared A and B. */
const sharedShapes = (sites: Sites): readonly [A: [number, number], B: [number, number]] => {
  const { rank } = sites[0]!.options
  const widest = (side: "in" | "out") => Math.max(...sites.map(({ site }) => site[side]))
  return [
    [rank, widest("in")],
    [widest("out"), rank]
  ]
}

/** The 32-bit words of MT19937 (Matsumoto and Nishimura 1998), torch's generator on the CPU. */
const mersenneTwister = (seed: number): (() => number) => {
  const words = new Uint32Array(624)
  words[0] = seed
  for (let i = 1; i < 624; i++) words[i] = Math.imul(1812433253, words[i - 1]! ^ (words[i - 1]! >>> 30)) + i
  let at = 624
  return () => {
    if (at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (words[i]! & 0x80000000) | (words[(i + 1) % 624]! & 0x7fffffff)
        words[i] = words[(i + 397) % 624]! ^ (y >>> 1) ^ ((y & 1) * 0x9908b0df)
      }
      at = 0
    }
    let y = words[at++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }
}

/** `tensor.uniform_(-bound, bound, generator)` of torch: 24 bits of a word each, in float32. */
const projections = (sites: Sites): ReadonlyArray<tf.Tensor> => {
  const next = mersenneTwister(sites[0]!.options.projectionKey)
  return sharedShapes(sites).map(([rows, columns]) => {
    const bound = Math.fround((Math.SQRT2 / Math.sqrt(columns)) * Math.sqrt(3))
    const width = 2 * bound
    const values = Float32Array.from({ length: rows * columns }, () => {
      const share = (next() & 0xffffff) / 2 ** 24
      // rounded once, as by the processor's fused multiply-add
      return Math.fround(share * width - bound)
    })
    return tf.tensor2d(values, [rows, columns])
  })
}

const vectorsOf = ({ dense }: Trainable) => ({ d: dense[0]!.value as tf.Tensor1D, b: dense[1]!.value as tf.Tensor1D })

/** The same as LoRA's factors: diag(d) A [r, in] and diag(b) B [out, r]. */
const factorsOf = (site: LinearSite, trained: Trainable): Factors => {
  const [A, B] = trained.shared as readonly [tf.Tensor2D, tf.Tensor2D]
  const { d, b } = vectorsOf(trained)
  const [rank] = d.shape
  return {
    A: tf.mul(tf.slice(A, [0, 0], [rank, site.in]), tf.expandDims(d, 1)),
    B: tf.mul(tf.slice(B, [0, 0], [site.out, rank]), tf.expandDims(b, 1))
  }
}

/** As PEFT 0.21 stores it: `vera_lambda_d` [r] and `vera_lambda_b` [out] of each site, and `vera_A` and `vera_B` once. */
const layout: PeftLayout<VeraOptions> = {
  tags: ["vera"],
  factorsAlone: null,
  shared: ["vera_A", "vera_B"],
  shapes: ({ site, options: { rank } }) => ({ vera_lambda_d: [rank], vera_lambda_b: [site.out] }),
  stored: ({ part }) => {
    const { d, b } = vectorsOf(part)
    return { vera_lambda_d: d, vera_lambda_b: b }
  },
  restored: ({ part: { dense } }, stored) => ({
    pairs: [],
    dense: [
      { ...dense[0]!, value: stored["vera_lambda_d"]! },
      { ...dense[1]!, value: stored["vera_lambda_b"]! }
    ]
  }),
  config: ({ options: { rank, dInitial, projectionKey, dropout = 0 } }) => ({
    peft_type: "VERA",
    r: rank,
    projection_prng_key: projectionKey,
    save_projection: true,
    vera_dropout: dropout,
    d_initial: dInitial,
    bias: "none",
    fan_in_fan_out: false,
    init_weights: true
  }),
  reading: {
    type: "VERA",
    unread: "save_projection init_weights",
    tensors: { vera_lambda_d: null, vera_lambda_b: null },
    section: (fields) => ({
      section: {
        method: "vera",
        rank: fields.number("r", 8, { least: 1, whole: true }),
        dInitial: fields.number("d_initial", 0.1, { above: 0 }),
        projectionKey: fields.number("projection_prng_key", 0, { least: 0, whole: true }),
        ...readDropout(fields, "vera_dropout")
      }
    })
  }
}

/**
 * VeRA (arXiv 2310.11454): W + diag(b) B diag(d) A with A and B random, frozen and shared by all layers; b [out] and d
 * [r] are trained.
 */
export const vera: AdapterMethod<VeraOptions, typeof VeraConfig.Encoded> = {
  ...methodFacts.vera,
  section: VeraConfig,
  problem: (site) => (site.kind === "embedding" ? embeddingProblem(site, "vera") : undefined),
  size: (site, { rank }) => ({ factors: 0, dense: rank + site.out, frozen: 0, state: 0 }),
  keepsOutputs: false,
  columns: ({ rank }) => ({ rank }),
  shared: {
    size: (sites) => sharedShapes(sites).reduce((sum, [rows, columns]) => sum + rows * columns, 0),
    tensors: projections
  },
  calibration: null,
  initRanks: null,
  init: ({ name, out }, { rank, dInitial }) =>
    Effect.sync(() => ({
      pairs: [],
      dense: [
        { name: `${name}.vera_lambda_d`, role: "body", value: tf.fill([rank], dInitial) },
        { name: `${name}.vera_lambda_b`, role: "body", value: tf.zeros([out]) }
      ]
    })),
  dropout: (_site, { dropout = 0 }) => dropout,
  forward: ({ site, part }, x, base, mask) => {
    const { A, B } = factorsOf(site, part)
    return loraLinear(x, base.W, base.bias, A, B, 1, mask)
  },
  merge: ({ site, part }, base) =>
    tf.tidy(() => {
      const { A, B } = factorsOf(site, part)
      return tf.add(dequantized(base.W), tf.matMul(B, A))
    }),
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: { by: "factors", factors: ({ site, part }) => ({ ...factorsOf(site, part), scale: 1 }) },
  peft: { layout },
  compared: {
    // the paper takes ten times LoRA's rate and more
    vera: {
      label: methodFacts.vera.label,
      ranked: true,
      learningRates: [4e-3, 1e-2, 2e-2, 4e-2],
      section: ({ rank, selection, options }) => ({
        method: "vera",
        ...(options === undefined ? {} : { dInitial: options.dInitial, projectionKey: options.projectionKey }),
        rank,
        ...selection
      })
    }
  }
}
