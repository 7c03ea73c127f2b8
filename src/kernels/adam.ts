/**
 * Adam's moments and direction for a list of tensors (`src/optimizers/adamw/transform.ts` has the equations):
 *
 *   M' = β₁M + g     V' = β₂V + g²     u = M' / (√V'·c + e)
 *
 * One pass over memory for all tensors together, on wasm with the bits of the reference. Shapes: M, V, u as g.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import { add, div, mul, sqrt } from "./expression/expression.ts"
import { list } from "./expression/kernel.ts"

/** Factors of a step, without the learning rate. */
export interface AdamRates {
  /** β₁ */
  readonly b1: number
  /** β₂ */
  readonly b2: number
  /** factor of √V */
  readonly c: number
  readonly e: number
}

/** β₁, β₂ and ε. */
export interface AdamDecays {
  /** β₁, in [0, 1) */
  readonly b1: number
  /** β₂, in [0, 1) */
  readonly b2: number
  /** ε, greater than 0 */
  readonly eps: number
}

/** Returns the factors of step `count` = 1, 2, …, with both bias corrections and the factors that the stored M and V lack. */
export const ratesAt = ({ b1, b2, eps }: AdamDecays, count: number): AdamRates => {
  const k = (1 - b1) / (1 - b1 ** count)
  const c = Math.sqrt((1 - b2) / (1 - b2 ** count))
  return { b1, b2, c: c / k, e: eps / k }
}

/** A tensor's direction and its moments after the step. */
export interface Moved<T> {
  readonly u: T
  readonly first: T
  readonly second: T
}

const adam = list({
  name: "adam",
  reads: ["g", "m", "v"],
  state: { first: "m", second: "v" },
  words: { b1: "f32", b2: "f32", c: "f32", e: "f32" },
  body: ({ g, m, v, b1, b2, c, e }) => {
    const first = add(mul(m, b1), g)
    const second = add(mul(v, b2), mul(g, g))
    return { u: div(first, add(mul(sqrt(second), c), e)), first, second }
  }
})

/** Computes the step of every tensor: its direction and its next moments. */
export const adamMoves = (
  gradients: ReadonlyArray<Tensor>,
  first: ReadonlyArray<Tensor>,
  second: ReadonlyArray<Tensor>,
  rates: AdamRates
): ReadonlyArray<Moved<Tensor>> => {
  const moved = adam({ g: gradients, m: first, v: second }, rates)
  return moved.u.map((u, i) => ({ u, first: moved.first[i]!, second: moved.second[i]! }))
}
