/** Runs a test on an open wasm device, and seeded inputs for it. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { openWasm, type WasmOptions } from "../../../src/device/wasm.ts"

export const onWasm = <A>(f: () => A | Promise<A>, options: WasmOptions = { threads: 1 }): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.andThen(
        openWasm(options),
        Effect.promise(async () => f())
      )
    )
  )

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A tensor of numbers in [−1, 1). */
export const tensorOf = (shape: Array<number>, next: () => number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((size, n) => size * n, 1) }, () => 2 * next() - 1),
    shape
  )
