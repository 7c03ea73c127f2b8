/**
 * LoRA: y = xWᵀ + bias + s·(xAᵀ)Bᵀ, with W frozen (Hu et al. 2021, arXiv 2106.09685).
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r]. An adapted layer starts as its base: B is initialized to 0, or the initial BA
 * is subtracted, y = xWᵀ + bias + s·(xAᵀ)Bᵀ − s·(xA₀ᵀ)B₀ᵀ, as one thin pair of rank 2r whose second half is frozen. W itself is
 * unchanged, packed or shared, and so is its rounding.
 * With dropout, A sees D(x) in training (`inject.ts`), and W sees x.
 * For embeddings, x are row numbers: rows of Wᵀ and Aᵀ are looked up (`kernels/embedding.ts`), without dropout,
 * as in PEFT.
 * rsLoRA is this method with another scale, PiSSA, LoRA-GA and EVA with another init (`init/`); LoRA-Pro and LoRA+ are
 * this method with another optimizer.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { LoraConfig, methodFacts } from "../schemas/index.ts"
import { dequantized, loraEmbedded, loraLinear, loraLinears } from "../src/kernels/index.ts"
import type { FactorPair, Factors, LinearSite, Trainable } from "../src/tensors/index.ts"
import type { AdapterMethod, ComparedSections } from "./adapter.ts"
import { calibrationOf, initializers, initPair, initProblem, initRanksOf, isSubtracted } from "./init/index.ts"
import type { Initializer } from "./init/initializer.ts"
import type { PeftFields, PeftLayout, PeftSizes, PeftSource, StoredSizes } from "./peft.ts"

/**
 * Returns the scale s of ΔW = s·BA.
 *
 *   standard          s = α / r     Hu et al. 2021, arXiv 2106.09685
 *   rank-stabilized   s = α / √r    Kalajdzievski 2023, arXiv 2312.03732 (rsLoRA)
 *
 * The only definition, so that training, merging and export agree.
 */
export const scaleOf = (scaling: LoraConfig["scaling"], rank: number, alpha: number): number =>
  scaling === "rank-stabilized" ? alpha / Math.sqrt(rank) : alpha / rank

/** Options of LoRA for one layer, after overrides. */
export interface LoraOptions {
  /** r, at least 1 and at most the smaller side of W */
  readonly rank: number
  /** α, greater than 0 */
  readonly alpha: number
  /** formula of the scale s of s·BA: α/r ("standard") or α/√r ("rank-stabilized") */
  readonly scaling: LoraConfig["scaling"]
  /** initialization of A and B */
  readonly init: LoraConfig["init"]
  /** dropout rate on the adapter's input in training, in [0, 1); default 0 */
  readonly dropout?: number
}

/** Returns the pair of a layer's part. */
export const pairOf = (trained: Trainable): FactorPair => trained.pairs[0]!

const RATES = [5e-4, 1e-3, 2e-3, 4e-3]

/** Returns a pair's initial factors A₀ and B₀, if they are subtracted. */
export const subtractedOf = ({ frozen }: Pick<Trainable, "frozen">): Factors | undefined =>
  frozen === undefined || frozen.length === 0 ? undefined : { A: frozen[0] as tf.Tensor2D, B: frozen[1] as tf.Tensor2D }

/** Returns the factors of ΔW = s·BA: with a subtracted init, a pair of twice the rank. */
export const wholeFactors = (part: Pick<Trainable, "pairs" | "frozen">): Factors => {
  const { A, B } = part.pairs[0]!
  const subtracted = subtractedOf(part)
  if (subtracted === undefined) return { A, B }
  return { A: tf.concat([A, subtracted.A], 0), B: tf.concat([B, tf.neg<tf.Tensor2D>(subtracted.B)], 1) }
}

/** Returns why an embedding cannot be adapted by a method for matrix products. */
export const embeddingProblem = ({ name }: LinearSite, method: string): string =>
  `${name} is an embedding, which ${method} does not adapt; expected targets without it, or method "lora" or "full"`

/** Returns why a layer cannot have factors of this rank with this init, or undefined. */
export const factorProblem = (site: LinearSite, { rank, init }: LoraOptions): string | undefined => {
  if (site.kind === "embedding" && calibrationOf(init)?.what === "inputs") return initWithoutInputs(site, init.kind)
  return rankProblem(site, rank) ?? initProblem(init, site, rank)
}

/** Returns why a layer cannot have factors of this rank, or undefined. */
export const rankProblem = ({ name, out, in: inputs }: LinearSite, rank: number): string | undefined => {
  const largest = Math.min(out, inputs)
  if (rank <= largest) return undefined
  return `rank ${rank} is larger than ${name} allows: W is [${out}, ${inputs}], so at most ${largest}`
}

const initWithoutInputs = ({ name }: LinearSite, init: string): string =>
  `${name} is an embedding, whose inputs are row numbers, and "${init}" is computed from the inputs; expected targets without it, or another init`

/** Returns the size of A and B, r(in + out) values, and the same again if their init is subtracted. */
export const factorSize = (site: LinearSite, { rank, init }: LoraOptions) => {
  const factors = rank * (site.in + site.out)
  return { factors, frozen: isSubtracted(init) ? factors : 0 }
}

/** Another scaling or init of LoRA, as a method of `compare`. */
const compared =
  (kind: LoraConfig["init"]["kind"], scaling: LoraConfig["scaling"] = "standard") =>
  ({ rank, alpha, overrides, selection, options }: ComparedSections<LoraOptions>) =>
    ({
      method: "lora",
      scaling,
      init: options?.init.kind === kind ? options.init : { kind },
      rank,
      alpha,
      overrides,
      ...selection
    }) as const

/** The inits that are compared as methods of their own. */
const comparedInits = Object.fromEntries(
  Object.entries<Initializer<never>>(initializers).flatMap(([kind, { label, compared: comparedInit }]) => {
    if (comparedInit === null) return []
    const section = compared(kind as keyof typeof initializers, comparedInit.scaling)
    return [[kind, { label, ranked: true, learningRates: comparedInit.learningRates, section }]]
  })
)

/** r and α as a file has them: twice the rank where the init is stored too, with the α that leaves the scale as it is. */
const storedSizes = ({ rank, alpha, scaling, init }: LoraOptions): StoredSizes => {
  const rankStabilized = scaling === "rank-stabilized"
  if (!isSubtracted(init)) return { rank, alpha, rankStabilized }
  return { rank: 2 * rank, alpha: alpha * (rankStabilized ? Math.SQRT2 : 2), rankStabilized }
}

/** Returns `rank_pattern` and `alpha_pattern`: ranks and alphas that differ from the first ones, by full module name. */
export const sizePatterns = <Options>(
  { options, sites, module }: PeftSource<Options>,
  sizesOf: (options: Options) => Pick<StoredSizes, "rank" | "alpha">
) => {
  const common = sizesOf(options)
  const sizes = sites.map(({ site, options }) => ({ name: module(site.name), ...sizesOf(options) }))
  const pattern = (key: "rank" | "alpha") =>
    Object.fromEntries(sizes.filter((size) => size[key] !== common[key]).map((size) => [size.name, size[key]]))
  return { rank_pattern: pattern("rank"), alpha_pattern: pattern("alpha") }
}

const peftConfig = (source: PeftSource<LoraOptions>) => {
  const { options } = source
  const common = storedSizes(options)
  return {
    peft_type: "LORA",
    r: common.rank,
    lora_alpha: common.alpha,
    use_rslora: common.rankStabilized,
    ...sizePatterns(source, storedSizes),
    lora_dropout: options.dropout ?? 0,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true
  }
}

const restored: PeftLayout<LoraOptions>["restored"] = ({ site, options, part }, stored) => {
  const { rank, init } = options
  const { scale } = pairOf(part)
  const [A, B] = [stored["lora_A.weight"] as tf.Tensor2D, stored["lora_B.weight"] as tf.Tensor2D]
  if (!isSubtracted(init)) return { pairs: [{ site, A, B, scale }], dense: [] }
  const halves = (first: number): Factors => ({
    A: tf.slice(A, [first, 0], [rank, site.in]),
    B: tf.slice(B, [0, first], [site.out, rank])
  })
  const subtracted = halves(rank)
  return { pairs: [{ site, ...halves(0), scale }], dense: [], frozen: [subtracted.A, tf.neg(subtracted.B)] }
}

/** Reads ranks and alphas of layers from PEFT's configuration, α under the method's name for it. */
export const readSizes = (
  { number, numbers }: PeftFields,
  alphaName: string,
  scale: PeftSizes["scale"]
): PeftSizes => ({
  rank: number("r", 8, { least: 1, whole: true }),
  alpha: number(alphaName, 8, { above: 0 }),
  rankPattern: numbers("rank_pattern", { least: 1, whole: true }),
  alphaPattern: numbers("alpha_pattern", { above: 0 }),
  scale
})

/** Reads the `dropout` of a section, if the file has one. */
export const readDropout = ({ number }: PeftFields, name = "lora_dropout") => {
  const dropout = number(name, 0, { least: 0, below: 1 })
  return dropout === 0 ? {} : { dropout }
}

/** Reads the section of LoRA or DoRA. */
export const readLora = (fields: PeftFields) => {
  const isDora = fields.flag("use_dora")
  const scaling = fields.flag("use_rslora") ? "rank-stabilized" : "standard"
  const sizes = readSizes(fields, "lora_alpha", (rank, alpha) => scaleOf(scaling, rank, alpha))
  const { rank, alpha } = sizes
  return {
    section: { method: isDora ? "dora" : "lora", rank, alpha, scaling, ...readDropout(fields) },
    sizes
  }
}

/**
 * PEFT 0.21's storage: `lora_A.weight` [r, in], `lora_B.weight` [out, r].
 *
 * A pair whose init is subtracted (PiSSA, LoRA-GA) is stored with it, as one pair of rank 2r: [A; A₀] and [B, −B₀]. α is adjusted to
 * preserve the scale; PEFT then computes the same over the original base, without knowledge of the init.
 */
export const loraLayout: PeftLayout<LoraOptions> = {
  tags: ["lora"],
  factorsAlone: storedSizes,
  shared: [],
  atConvolution: { "lora_A.weight": "kernel", "lora_B.weight": "ones" },
  shapes: ({ site, options }) => {
    const { rank } = storedSizes(options)
    return { "lora_A.weight": [rank, site.in], "lora_B.weight": [site.out, rank] }
  },
  stored: ({ part }) => {
    const { A, B } = wholeFactors(part)
    return { "lora_A.weight": A, "lora_B.weight": B }
  },
  restored,
  config: (source) => ({ ...peftConfig(source), use_dora: false }),
  reading: {
    type: "LORA",
    isOwn: ({ use_dora }) => use_dora !== true,
    unread: "",
    tensors: { "lora_A.weight": 0, "lora_B.weight": 1 },
    section: readLora,
    added: (stored) => tf.matMul(stored["lora_B.weight"] as tf.Tensor2D, stored["lora_A.weight"] as tf.Tensor2D)
  }
}

/** LoRA (arXiv 2106.09685): W + s·BA with W [out, in] frozen, A [r, in] and B [out, r] trained, s = α/r or α/√r. */
export const lora: AdapterMethod<LoraOptions, typeof LoraConfig.Encoded> = {
  ...methodFacts.lora,
  section: LoraConfig,
  problem: factorProblem,
  size: (site, options) => ({ ...factorSize(site, options), dense: 0, state: 0 }),
  keepsOutputs: false,
  columns: ({ rank, alpha }) => ({ rank, alpha }),
  shared: null,
  calibration: ({ init }) => calibrationOf(init),
  initRanks: ({ init }) => initRanksOf(init),
  init: (site, { rank, alpha, scaling, init }, source) =>
    Effect.map(initPair(init, { site, rank, scale: scaleOf(scaling, rank, alpha) }, source), (part) => ({
      ...part,
      dense: []
    })),
  dropout: ({ kind }, { dropout = 0 }) => (kind === "embedding" ? 0 : dropout),
  forward: ({ site, part }, x, base, mask) => {
    const pair = pairOf(part)
    const { A, B } = wholeFactors(part)
    if (site.kind === "embedding") return loraEmbedded(x, base.W, A, B, pair.scale)
    return loraLinear(x, base.W, base.bias, A, B, pair.scale, mask)
  },
  together: (sites, x, form) =>
    loraLinears(
      x,
      sites.map(({ part, base }) => ({ ...base, ...wholeFactors(part), scale: pairOf(part).scale })),
      { form }
    ),
  merge: ({ part }, base) =>
    tf.tidy(() => {
      const pair = pairOf(part)
      const { A, B } = wholeFactors(part)
      return tf.add(dequantized(base.W), tf.mul(tf.matMul(B, A), pair.scale))
    }),
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: { by: "factors", factors: ({ part }) => ({ ...wholeFactors(part), scale: pairOf(part).scale }) },
  peft: { layout: loraLayout },
  compared: {
    lora: { label: methodFacts.lora.label, ranked: true, learningRates: RATES, section: compared("kaiming") },
    rslora: {
      label: "rsLoRA",
      ranked: true,
      learningRates: [2e-4, 5e-4, 1e-3, 2e-3],
      section: compared("kaiming", "rank-stabilized")
    },
    ...comparedInits
  }
}
