/**
 * SwiGLU's gate as one kernel: the SiLU of one projection times another (Shazeer, arXiv 2002.05202).
 *
 *   y = silu·up      silu = gate·σ      slope = up·(σ + silu·(1 − σ))      σ = 1/(1 + exp(−gate))
 *   dgate = dy·slope      dup = dy·silu
 *
 * gate and up are two inputs [tokens, f] rather than halves of one [tokens, 2f]: checkpoints have a weight for each, and each weight
 * has its own adapter, so two products make them. Joining these, and cutting their gradients apart, would be two passes over
 * memory for nothing.
 *
 * Saved: silu and slope, as large as gate and up, which may go. They come from the exponential that the value needs anyway, and the
 * backward pass is one pass over dy and both. Of σ and 1 − σ the smaller is e·q, e = exp(−|gate|), q = 1/(1 + e), and the other is q: a
 * difference would have few digits where σ is near 1.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { abs, add, div, exp, less, madd, mul, neg, orInfinity, orNaN, select } from "./expression/expression.ts"
import { elementwise } from "./expression/kernel.ts"
import { defineKernel } from "./kernel.ts"

/** dgate and dup; it waits for memory. */
const backward = defineKernel(
  elementwise({
    name: "swigluBackward",
    reads: ["dy", "silu", "slope"],
    cost: 4,
    body: ({ dy, silu, slope }) => ({ dgate: mul(dy, slope), dup: mul(dy, silu) })
  })
)

const kernel = defineKernel({
  ...elementwise({
    name: "swiglu",
    result: "y",
    reads: ["gate", "up"],
    cost: 30,
    body: ({ gate, up }) => {
      const e = exp(neg(abs(gate)))
      const q = div(1, add(1, e))
      const smaller = mul(e, q)
      const negative = less(gate, 0)
      const sigma = select(negative, smaller, q)
      const rest = select(negative, q, smaller)
      const silu = orInfinity(mul(gate, sigma), gate)
      return { y: mul(silu, up), silu, slope: mul(up, orNaN(madd(silu, rest, sigma), gate)) }
    }
  }),
  outputsToSave: [false, true, true],
  gradient: ([dy], [silu, slope]) => {
    // here rather than in a closure: both leave one pass
    const [dgate, dup] = backward({ dy: dy!, silu: silu!, slope: slope! }, {})
    return { gate: () => dgate!, up: () => dup! }
  }
})

/** Computes silu(gate)·up, all [tokens, f]; gradients for both, first order only. */
export const swiglu = (gate: Tensor2D, up: Tensor2D): Tensor2D => {
  const [y, ...saved] = kernel({ gate, up }, {})
  tf.dispose(saved) // the tape holds its own handles; without a tape no one wants them
  return y as Tensor2D
}
