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
 * backward pass is one pass over dy and both. 1 − σ is computed as σ(−gate): the difference would have few digits where σ is near 1.
 */
import type { Tensor, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { defineKernel } from "./kernel.ts"
import { chunksOf } from "./wasm/chunks.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { programs } from "./webgpu/loaded.ts"

/** Costs of an element, in multiplications: the backward pass waits for memory. */
const COST = { swiglu: 30, swigluBackward: 4 }

/** Runs a kernel of `assembly/swiglu.ts` over all elements of tensors of one shape. */
const overElements = (engine: WasmEngine, name: keyof typeof COST, tensors: ReadonlyArray<TensorInfo>): void => {
  const size = tf.util.sizeFromShape(tensors[0]!.shape)
  const [perChunk, chunks] = chunksOf(size, COST[name], 4)
  engine.runWords(name, [...tensors.map(engine.address), size, perChunk], chunks, 80)
}

/** y, silu and slope */
const reference = (gate: Tensor, up: Tensor): ReadonlyArray<Tensor> => {
  const sigma = tf.sigmoid(gate)
  const silu = tf.mul(gate, sigma)
  const rest = inPlaceOf(tf.neg(gate), tf.sigmoid)
  const slope = inPlaceOf(
    inPlaceOf(rest, (r) => tf.mul(silu, r)),
    (change) => inPlaceOf(sigma, (s) => tf.add(s, change))
  )
  return [tf.mul(silu, up), silu, inPlaceOf(slope, (s) => tf.mul(up, s))]
}

/** dgate and dup */
const backward = defineKernel<"dy" | "silu" | "slope", object>({
  name: "SwigluBackward",
  reference: ({ dy, silu, slope }) => [tf.mul(dy, slope), tf.mul(dy, silu)],
  wasm: ({ dy, silu, slope }, _, engine) => {
    const outputs = [engine.output(dy.shape), engine.output(dy.shape)]
    overElements(engine, "swigluBackward", [dy, silu, slope, ...outputs])
    return outputs
  },
  webgpu: ({ dy, silu, slope }, _, engine) => programs().swigluBackwardOnWebgpu(engine, dy, silu, slope),
  inputsToSave: []
})

const kernel = defineKernel<"gate" | "up", object>({
  name: "Swiglu",
  reference: ({ gate, up }) => reference(gate, up),
  wasm: ({ gate, up }, _, engine) => {
    const outputs = [engine.output(gate.shape), engine.output(gate.shape), engine.output(gate.shape)]
    overElements(engine, "swiglu", [gate, up, ...outputs])
    return outputs
  },
  webgpu: ({ gate, up }, _, engine) => programs().swigluOnWebgpu(engine, gate, up),
  inputsToSave: [],
  outputsToSave: [false, true, true],
  gradient: ([dy], [silu, slope]) => {
    // here rather than in a closure: both leave one pass
    const [dgate, dup] = backward({ dy: dy!, silu: silu!, slope: slope! }, {})
    return { gate: () => dgate!, up: () => dup! }
  }
})

/** silu(gate)·up, all [tokens, f]; gradients for both, first order only. */
export const swiglu = (gate: Tensor2D, up: Tensor2D): Tensor2D => {
  const [y, ...saved] = kernel({ gate, up }, {})
  tf.dispose(saved) // the tape holds its own handles, and without a tape nobody wants them
  return y as Tensor2D
}
