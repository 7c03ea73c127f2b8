/** When the ranks of a run share whitenings, and what is sent of one; `validate` says so beforehand. */

/**
 * The LoRA rank from which ranks of a run share this work. A pair of r = 128 takes 6.1 ms on one thread of wasm, and its matrices 2.6 ms over
 * 1 Gbit/s; of r = 64 it takes 0.6 ms, and they 0.65 (out = in = 384, an Intel Xeon with AVX-512).
 */
export const SHARED_FROM = 128

/** Numbers of a pair of LoRA rank r: its smallest eigenvalue, and five matrices [r, r]. */
export const whiteningNumbers = (r: number): number => 1 + 5 * r ** 2
