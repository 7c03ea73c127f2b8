/**
 * The device as a service: what a program may know about the machine it computes on, and how it learns of a failure there.
 * Tensors themselves go through tfjs, whose current backend the device's layer sets and, at the end of its scope, takes back.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DeviceError } from "./device-error.ts"

export type Backend = "webgpu" | "wasm" | "cpu"

/** What a run records about its device. Flat, so that it prints in a line. */
export interface DeviceDescription {
  readonly backend: Backend
  /** the GPU, in its driver's words */
  readonly adapter?: string
  /** a GPU that is emulated on the CPU */
  readonly software?: boolean
  readonly threads: number
  readonly simd: boolean
  readonly versions: Readonly<Record<string, string>>
  /** why the device is less than what was asked for */
  readonly notice?: string
}

export interface DeviceShape {
  readonly backend: Backend
  /** CPU threads of a matrix product; 1 on a GPU */
  readonly threads: number
  /** Pad token sequences to a multiple of this: a GPU keeps buffers by size, so it wants few sizes; the CPU wants no padding. */
  readonly padMultiple: number
  readonly describe: () => DeviceDescription
  /**
   * Waits for the device and fails with whatever has gone wrong on it since the last call. tfjs never throws on a GPU error
   * and returns other tensors' memory instead, so that nothing computed before a successful `sync` may be trusted.
   */
  readonly sync: Effect.Effect<void, DeviceError>
  /** Says what is computed from here on, for the message of an error; a name such as "step 12". Cheap. */
  readonly label: (site: string) => void
  /** The process's largest resident size so far, in bytes; 0 where the runtime does not tell (browsers). */
  readonly peakBytes: () => number
  /** The largest number of bytes allocated on the GPU so far; 0 without one. */
  readonly peakGpuBytes: () => number
}

export class Device extends Context.Service<Device, DeviceShape>()("tfjs-lora-pro/Device") {}
