/**
 * Dropout as one kernel: y = x∘mask/(1 − rate), where the mask keeps each number with probability 1 − rate.
 *
 * The mask is a function of the place, not of a stream of random numbers: number i is kept if hash(i, offset, seed) ≥
 * rate·2³². So it is the same on every device and for any number of threads, nothing is saved, and the backward pass
 * makes it again: the gradient is dropout of dy. Seed and offset together are to differ between runs, steps, and the
 * places of one step, or they share their masks (`adapters/inject.ts`).
 *
 * What is dropped is 0, whatever it was.
 *
 * The hash is pcg3d of three words, its first (Jarzynski and Olano, Hash Functions for GPU Rendering, JCGT 9(3), 2020):
 * three linear congruential steps mixed with one another, products of 32 bits alone, and in their tests
 * indistinguishable from random.
 */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { atLeast, type Expression, folded, mul, place, plus, times, where } from "./expression/expression.ts"
import { elementwise } from "./expression/kernel.ts"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"

/** Positions of the dropped values, which hash(position, seed, offset) selects. */
export interface DropoutMask {
  /** probability that a value is dropped, in [0, 1) */
  readonly rate: number
  /** unsigned 32-bit integer: depends on the run and the step */
  readonly seed: number
  /** unsigned 32-bit integer: depends on the batch and the layer within a step */
  readonly offset: number
}

const maskOf = ({ rate, seed, offset }: DropoutMask) => ({
  seed: seed >>> 0,
  offset: offset >>> 0,
  threshold: Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1),
  // the number that float32 makes of it, so that no device multiplies by another
  scale: Math.fround(1 / (1 - rate))
})

type U32 = Expression<"u32">

/** One step of a linear congruential generator modulo 2³². */
const step = (word: U32): U32 => plus(times(word, 1664525), 1013904223)

const hash = (index: U32, offset: U32, seed: U32): U32 => {
  const [y, z] = [step(offset), step(seed)]
  const a = plus(times(index, 1664525), plus(times(y, z), 1013904223))
  const b = plus(times(a, z), y)
  const c = plus(times(a, b), z)
  return plus(folded(a), times(folded(b), folded(c)))
}

const definition = elementwise({
  name: "dropout",
  reads: ["x"],
  words: { offset: "u32", seed: "u32", threshold: "u32", scale: "f32" },
  cost: 8,
  body: ({ x, offset, seed, threshold, scale }) => ({
    y: where(atLeast(hash(place, offset, seed), threshold), mul(x, scale))
  })
})

type Kernel = (inputs: { readonly x: Tensor }, mask: ReturnType<typeof maskOf>) => ReadonlyArray<Tensor>

const kernel: Kernel = defineKernel({
  ...definition,
  gradient: ([dy], _, mask) => ({ x: () => kernel({ x: dy! }, mask)[0]! })
})

/** Returns the input after dropout, in x's shape, for kernels on WebGPU. */
export const dropoutOnWebgpu = (engine: WebgpuEngine, x: TensorInfo, mask: DropoutMask): TensorInfo =>
  definition.webgpu!({ x }, maskOf(mask), engine)[0]!

/** Returns the input after dropout, in x's shape, for kernels on wasm. */
export const dropoutOnWasm = (engine: WasmEngine, x: TensorInfo, mask: DropoutMask): TensorInfo =>
  definition.wasm!({ x }, maskOf(mask), engine)[0]!

/**
 * Sets values of x to 0 by the mask and divides the others by 1 − rate; gradient for x. x float32 of any shape. A rate of 0 returns a clone.
 * Throws if the rate is not in [0, 1).
 */
export const dropout = <T extends Tensor>(x: T, mask: DropoutMask): T => {
  const { rate } = mask
  if (!(rate >= 0 && rate < 1)) throw new Error(`dropout: rate ${rate}: expected a number in [0, 1)`)
  return rate === 0 ? (tf.clone(x) as T) : (kernel({ x }, maskOf(mask))[0]! as T)
}
