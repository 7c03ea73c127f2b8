/**
 * Settings of optimizers and losses as data: range and default of each number and choice, once for the schemas of plans (fields.ts) and for
 * functions in code, whose options `settled` checks (settled.ts) without a schema that pages would have to download.
 */

/** A range of numbers. */
export interface NumberRange {
  /** noun phrase of errors: "a number greater than 0" */
  readonly expected: string
  /** lowest value, included */
  readonly least?: number
  /** bound below all values, excluded */
  readonly above?: number
  /** highest value, included */
  readonly most?: number | undefined
  /** bound above all values, excluded */
  readonly below?: number
  /** whether only integers are valid; default false */
  readonly whole?: boolean
}

/** A choice of words. */
export interface Choice {
  /** valid values */
  readonly words: ReadonlyArray<string>
}

/** A value that is checked by a function. */
export interface Checked {
  /** noun phrase of errors: "a loss" */
  readonly expected: string
  /** returns whether a value is valid */
  readonly is: (value: unknown) => boolean
}

/** An option of a function. Required without `default` and `optional`. */
export interface Setting {
  /** valid values; absent: all */
  readonly of?: NumberRange | Choice | Checked
  /** value if the option is left out */
  readonly default?: unknown
  /** whether the option may be left out without a default; default false */
  readonly optional?: boolean
  /** another valid value */
  readonly or?: Checked
}

// Literals without calls and spreads, since bundlers keep those in every page.

/** Numbers greater than 0. */
export const positiveNumber = { expected: "a number greater than 0", above: 0 } as const satisfies NumberRange
/** Numbers in [0, 1). */
export const belowOneNumber = {
  expected: "a number from 0 up to, not including, 1",
  least: 0,
  below: 1
} as const satisfies NumberRange

/** Numbers of at least 0. */
export const anyFromZero = { expected: "a number of at least 0", least: 0 } as const satisfies NumberRange
/** Integers of at least 0. */
export const wholeFromZero = {
  expected: "an integer of at least 0",
  least: 0,
  whole: true
} as const satisfies NumberRange

/** Integers of at least 1. */
export const wholeFromOne = {
  expected: "an integer of at least 1",
  least: 1,
  whole: true
} as const satisfies NumberRange

/** β₁ of Adam and Lion. */
export const firstDecay = { of: belowOneNumber, default: 0.9 } as const
/** β₂ of Adam. */
export const secondDecay = { of: belowOneNumber, default: 0.999 } as const
/** ε of Adam. */
export const adamEpsilon = { of: positiveNumber, default: 1e-8 } as const
/** Decoupled weight decay. */
export const weightDecay = { of: anyFromZero, default: 0 } as const
/** β₂ of Lion (arXiv 2302.06675). */
export const lionDecay = { of: belowOneNumber, default: 0.99 } as const
/** Momentum of gradient descent. */
export const sgdMomentum = { of: belowOneNumber, default: 0 } as const
/** Ratio of the learning rates of B and A, of LoRA+ (arXiv 2402.12354). */
export const rateRatio = { of: positiveNumber, default: 16 } as const
/** Damping of Riemannian preconditioning (arXiv 2402.02347): the authors' value. */
export const riemannianDamping = { of: positiveNumber, default: 1e-6 } as const
/** Damping of LoRA-Pro (arXiv 2407.18242): the authors' value. LoRA-Muon, RefLoRA and LoRA-TSD have the same. */
export const loraProDamping = { of: anyFromZero, default: 1e-8 } as const
/** Free matrix of LoRA-Pro's theorem. */
export const freeMatrixChoice = { of: { words: ["sylvester", "zero", "symmetric"] }, default: "sylvester" } as const
/** ε of LoRA-RITE (arXiv 2410.20625). */
export const riteEpsilon = { of: positiveNumber, default: 1e-6 } as const
/** Maximum norm of LoRA-RITE's unmagnified gradients, and maximum root mean square of one that is not skipped. */
export const riteBound = { of: positiveNumber, default: 1 } as const
/** Damping of AltLoRA (arXiv 2505.12455): the authors' value. */
export const altLoraDamping = { of: anyFromZero, default: 1e-5 } as const
/** Variant of AltLoRA. */
export const altLoraVariant = { of: { words: ["paper", "code"] }, default: "paper" } as const
/** Rank of LoRA-Pre's moments (arXiv 2602.24283). */
export const loraPreRank = {
  of: { expected: "an integer from 1 to 256", least: 1, most: 256, whole: true },
  default: 8
} as const

/** Iterations of LoRA-TSD (arXiv 2609.02734). */
export const tangentIterations = { of: wholeFromZero, default: 3 } as const
/** Number of batches per optimizer step. */
export const accumulatedBatches = { of: wholeFromOne, default: 1 } as const
/** Gradient checkpointing. */
export const recomputeChoice = { of: { words: ["none", "blocks"] }, default: "none" } as const
/** Label smoothing of a cross-entropy. */
export const labelSmoothing = { of: belowOneNumber, default: 0 } as const
