/** Settings of optimizers in code, by the names of their options. Apart from settings.ts, so that pages download them with the optimizers. */
import {
  adamEpsilon,
  altLoraDamping,
  altLoraVariant,
  firstDecay,
  lionDecay,
  positiveNumber,
  riteBound,
  riteEpsilon,
  type Setting,
  secondDecay,
  weightDecay
} from "./settings.ts"
import { unchecked } from "./settled.ts"

const learningRate = {
  of: positiveNumber,
  or: { expected: "a function of the step", is: (value: unknown) => typeof value === "function" }
} as const satisfies Setting

const orNull = { expected: "null", is: (value: unknown) => value === null }

/** Settings of every whole optimizer. */
export const wholeSettings = { learningRate, weightDecay }

/** Settings of AdamW. */
export const adamwSettings = { b1: firstDecay, b2: secondDecay, eps: adamEpsilon, learningRate, weightDecay }

/** Settings of the momentum of Lion. */
export const lionSettings = { b1: firstDecay, b2: lionDecay }

/** Settings of LoRA-RITE. */
export const loraRiteSettings = {
  b1: firstDecay,
  b2: secondDecay,
  eps: riteEpsilon,
  clipUnmagnified: { of: positiveNumber, or: orNull, default: riteBound.default },
  skip: { of: positiveNumber, or: orNull, default: riteBound.default },
  cap: { of: positiveNumber, or: orNull, default: null },
  escape: unchecked
} as const

/** Settings of AltLoRA. */
export const altLoraSettings = { damping: altLoraDamping, variant: altLoraVariant }
