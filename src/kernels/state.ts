/** Tensors that only kernels of ours read from step to step: where they lie is the device's to say. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { wasmEngineOf } from "./wasm/engine.ts"

const outside = (shape: Array<number>, values?: Float32Array) =>
  wasmEngineOf(tf.backend())?.outside?.tensor(shape, values)

/** Returns a float32 tensor of zeros for the state of an optimizer. */
export const stateZeros = (shape: Array<number>): Tensor => outside(shape) ?? tf.zeros(shape)

/** Returns a float32 tensor of these values for the state of an optimizer. */
export const stateTensor = (values: Float32Array, shape: Array<number>): Tensor =>
  outside(shape, values) ?? tf.tensor(values, shape)
