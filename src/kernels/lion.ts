/**
 * Lion's direction and moment for a list of tensors (`src/optimizers/lion/transform.ts` has the equations), in one pass over memory.
 *
 *   c = β₁m + (1−β₁)g      u = sign c      m' = β₂m + (1−β₂)g
 *
 * Where c is not finite u is NaN: the sign alone would hide it. Shapes: m, u as g.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import { add, greater, less, mul, orNaN, select } from "./expression/expression.ts"
import { list } from "./expression/kernel.ts"

const lion = list({
  name: "lion",
  reads: ["m", "g"],
  state: { moment: "m" },
  words: { b1: "f32", rest1: "f32", b2: "f32", rest2: "f32" },
  body: ({ m, g, b1, rest1, b2, rest2 }) => {
    const c = add(mul(m, b1), mul(g, rest1))
    const zero = mul(c, 0)
    const u = add(select(greater(c, 0), 1, select(less(c, 0), -1, zero)), zero)
    return { u: orNaN(u, c), moment: add(mul(m, b2), mul(g, rest2)) }
  }
})

/** Computes the step of every tensor: its direction and its next momentum. */
export const lionMoves = (
  gradients: ReadonlyArray<Tensor>,
  moments: ReadonlyArray<Tensor>,
  { b1, b2 }: { readonly b1: number; readonly b2: number }
): Readonly<Record<"u" | "moment", ReadonlyArray<Tensor>>> =>
  lion({ m: moments, g: gradients }, { b1, rest1: 1 - b1, b2, rest2: 1 - b2 })
