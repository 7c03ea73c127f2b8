/** The numbers of a step of Adam: what is chosen, and what a kernel on any device multiplies by. */

/** What a step multiplies by. */
export interface AdamRates {
  /** β₁ */
  readonly b1: number
  /** β₂ */
  readonly b2: number
  /** of √V' */
  readonly c: number
  readonly e: number
}

/** β₁, β₂ and ε. */
export interface AdamDecays {
  readonly b1: number
  readonly b2: number
  readonly eps: number
}

/** Those of step `count` = 1, 2, …, with both bias corrections and the factors that M and V lack. */
export const ratesAt = ({ b1, b2, eps }: AdamDecays, count: number): AdamRates => {
  const k = (1 - b1) / (1 - b1 ** count)
  const c = Math.sqrt((1 - b2) / (1 - b2 ** count))
  return { b1, b2, c: c / k, e: eps / k }
}
