/** Detects the WebAssembly features of a runtime by compiling minimal modules that use them. */
import os from "node:os"

/** () → v128: i8x16.popcnt(i8x16.splat(0)) */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11
]

/** () → v128: i8x16.relaxed_swizzle(i8x16.splat(1), i8x16.splat(2)) */
const RELAXED_SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
  253, 128, 2, 11
]

/** Support of wasm features by the runtime. */
export interface WasmDescription {
  /** processor cores available to the runtime */
  readonly cores: number
  /** whether threads can share memory */
  readonly sharedMemory: boolean
  readonly simd: boolean
  /** whether fused multiply-adds are supported, for `training.deterministic: false` */
  readonly relaxedSimd: boolean
}

const sharedMemory = (): boolean => {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer
  } catch {
    return false
  }
}

/** Probes the runtime. */
export const describeWasm = (): WasmDescription => ({
  cores: os.availableParallelism(),
  sharedMemory: sharedMemory(),
  simd: WebAssembly.validate(Uint8Array.from(SIMD)),
  relaxedSimd: WebAssembly.validate(Uint8Array.from(RELAXED_SIMD))
})
