/**
 * Dropout as one kernel: y = x∘mask/(1 − rate), where the mask keeps each number with probability 1 − rate.
 *
 * The mask is a function of the place, not of a stream of random numbers: number i is kept if hash(i, offset, seed) ≥
 * rate·2³². So it is the same on every device and for any number of threads, nothing is saved, and the backward pass
 * makes it again: the gradient is dropout of dy. Seed and offset together are to differ between runs, steps, and the
 * places of one step, or they share their masks (`adapters/dropout.ts`).
 *
 * What is dropped is 0, whatever it was.
 *
 * The hash is pcg3d of three words, its first (Jarzynski and Olano, Hash Functions for GPU Rendering, JCGT 9(3), 2020):
 * three linear congruential steps mixed with one another, products of 32 bits alone, and in their tests
 * indistinguishable from random.
 */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "./kernel.ts"
import { chunksOf } from "./wasm/chunks.ts"
import { floatBits, type WasmEngine } from "./wasm/engine.ts"
import type { Mask } from "./webgpu/dropout.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

/** Which numbers are dropped: `rate` of them, in [0, 1). `seed` and `offset` are unsigned integers of 32 bits. */
export interface DropoutMask {
  readonly rate: number
  readonly seed: number
  readonly offset: number
}

const maskOf = ({ rate, seed, offset }: DropoutMask): Mask => ({
  seed: seed >>> 0,
  offset: offset >>> 0,
  threshold: Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1),
  // the number that float32 makes of it, so that no device multiplies by another
  scale: Math.fround(1 / (1 - rate))
})

/** One step of a linear congruential generator modulo 2³². */
const step = (word: number): number => (Math.imul(word, 1664525) + 1013904223) | 0

/** 1 where a number is kept. */
const kept = (size: number, { seed, offset, threshold }: Mask): Uint8Array => {
  const [firstY, firstZ] = [step(offset), step(seed)]
  const mask = new Uint8Array(size)
  for (let i = 0; i < size; i++) {
    let x = (step(i) + Math.imul(firstY, firstZ)) | 0
    let y = (firstY + Math.imul(firstZ, x)) | 0
    let z = (firstZ + Math.imul(x, y)) | 0
    x ^= x >>> 16
    y ^= y >>> 16
    z ^= z >>> 16
    if ((x + Math.imul(y, z)) >>> 0 >= threshold) mask[i] = 1
  }
  return mask
}

const reference = (x: Tensor, mask: Mask): Tensor =>
  tf.where(tf.tensor(kept(x.size, mask), x.shape, "bool"), tf.mul(x, mask.scale), tf.zerosLike(x))

/** Cost of an element, in multiplications: the hash. */
const COST = 8

const onWasm = (engine: WasmEngine, x: TensorInfo, { seed, offset, threshold, scale }: Mask): TensorInfo => {
  const y = engine.output(x.shape)
  const size = tf.util.sizeFromShape(x.shape)
  const [perChunk, chunks] = chunksOf(size, COST, 4)
  const words = [engine.address(x), engine.address(y), size, perChunk, offset, seed, threshold, floatBits(scale)]
  engine.runWords("dropout", words, chunks)
  return y
}

/** y, of x's shape, for kernels whose input is dropped. */
export const dropoutOnWebgpu = (engine: WebgpuEngine, x: TensorInfo, mask: DropoutMask): TensorInfo =>
  programs().dropoutOnWebgpu(engine, x, maskOf(mask))

type Kernel = (inputs: { readonly x: Tensor }, mask: DropoutMask) => ReadonlyArray<Tensor>

const kernel: Kernel = defineKernel<"x", DropoutMask>({
  name: "Dropout",
  reference: ({ x }, mask) => [reference(x, maskOf(mask))],
  wasm: ({ x }, mask, engine) => [onWasm(engine, x, maskOf(mask))],
  webgpu: ({ x }, mask, engine) => [dropoutOnWebgpu(engine, x, mask)],
  inputsToSave: [],
  gradient: ([dy], _, mask) => ({ x: () => kernel({ x: dy! }, mask)[0]! })
})

/** x float32 of any shape, or x itself as a tensor of its own where the rate is 0. Throws where it is not in [0, 1). */
export const dropout = <T extends Tensor>(x: T, mask: DropoutMask): T => {
  const { rate } = mask
  if (!(rate >= 0 && rate < 1)) throw new Error(`dropout: a rate of ${rate} is not in [0, 1)`)
  return rate === 0 ? (tf.clone(x) as T) : (kernel({ x }, mask)[0]! as T)
}
