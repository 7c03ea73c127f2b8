/** Tensors that only kernels of ours read from step to step: where they lie is the device's to say. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { wasmEngineOf } from "./wasm/engine.ts"

/** Values from which a tensor lies outside: it takes whole pages there, and the heap has room for small ones. */
const LARGE = 2 ** 18

/** Returns what makes tensors of this shape outside of the heap; undefined: they lie in it, or the device has none. */
const outsideFor = (shape: ReadonlyArray<number>) =>
  shape.reduce((size, n) => size * n, 1) < LARGE ? undefined : wasmEngineOf(tf.backend())?.outside

/** Returns a float32 tensor of zeros for the state of an optimizer. */
export const stateZeros = (shape: ReadonlyArray<number>): Tensor =>
  outsideFor(shape)?.tensor(shape) ?? tf.zeros([...shape])

/** Returns a float32 tensor of these values for the state of an optimizer. */
export const stateTensor = (values: Float32Array, shape: ReadonlyArray<number>): Tensor =>
  outsideFor(shape)?.tensor(shape, values) ?? tf.tensor(values, [...shape], "float32")
