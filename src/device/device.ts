/**
 * The device as a service: the properties of the device that a program computes on, and its failures.
 * Tensors use tfjs, whose current backend the device's layer sets and, when its scope
 * closes, restores.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { DeviceError } from "./device-error.ts"

/** Name of a device. */
export type Backend = "webgpu" | "native" | "wasm" | "cpu"

/** Properties of a device that a run records. Flat, so that they print in one line. */
export interface DeviceDescription {
  /** device name: "native" is tfjs's backend "wasm" with native kernels; the others are names of tfjs backends */
  readonly backend: Backend
  /** name of the GPU from its driver; absent without a GPU */
  readonly adapter?: string
  /** whether the GPU is emulated on the CPU; absent without a GPU */
  readonly software?: boolean
  /** how matrix products on a GPU choose their tiles, which does not affect results; absent without a GPU, and on an emulated one */
  readonly tiles?: string
  /** CPU threads of a matrix product; 1 on a GPU */
  readonly threads: number
  /** whether wasm supports 128-bit vectors (SIMD) */
  readonly simd: boolean
  /** instruction set of the native kernels: "avx512", "avx2" or "neon"; absent on other devices */
  readonly instructions?: string
  /** precision and instructions of products with frozen weights, such as "bfloat16 (amx)"; absent in float32 */
  readonly products?: string
  /** versions of the software that computes */
  readonly versions: Readonly<Record<string, string>>
  /** why the device is not the requested one, or slower; absent if it is as requested */
  readonly notice?: string
}

/** An open device. */
export interface DeviceShape {
  /** device name: "native" is tfjs's backend "wasm" with native kernels; the others are names of tfjs backends */
  readonly backend: Backend
  /** CPU threads of a matrix product; 1 on a GPU */
  readonly threads: number
  /**
   * Token sequences are padded to a multiple of this. Larger on a GPU, which keeps buffers by size and needs few sizes; 1 on the CPU, without
   * padding.
   */
  readonly padMultiple: number
  /**
   * Whether the hidden states of a row are bitwise identical for any batch that contains it and any padding, in batches of at least four
   * positions, so that they can be kept for rows that are read again.
   */
  readonly rowsAlone: boolean
  /** Number of steps to submit before values are read: a read waits for all pending work of a GPU. */
  readonly stepsPerRead: number
  /** Returns the properties that runs record, including a notice if the device is not as requested. */
  readonly describe: () => DeviceDescription
  /**
   * Waits for the device and fails with the first error since the last call. On a GPU error, tfjs does not throw
   * but returns the memory of other tensors, so results must not be trusted before a successful
   * `sync`.
   */
  readonly sync: Effect.Effect<void, DeviceError>
  /** Names the current computation, such as "step 12", for error messages. Cheap. */
  readonly label: (site: string) => void
  /** Returns the peak resident size of the process, in bytes; 0 if the runtime does not report it (browsers). */
  readonly peakBytes: () => number
  /** Returns the peak number of bytes allocated on the GPU; 0 without one. */
  readonly peakGpuBytes: () => number
}

/**
 * Service tag of the device that a program runs on. Layers: `Device.auto`, `Device.layer("wasm")`, and those of the
 * entry points for Bun, Deno and pages.
 */
export class Device extends Context.Service<Device, DeviceShape>()("tfjs-lora-pro/Device") {}

/**
 * Attributes failures to the device: if it has failed, the program fails with the device's error instead of its own, which
 * is only a consequence (values that are not finite, a failed read, an exception from tfjs). Also converts a thrown `DeviceError`, such as
 * one from a kernel, into a failure.
 *
 * @example
 * import type { Effect } from "effect"
 * import { type Device, type DeviceError, ofDevice } from "./index.ts"
 *
 * const guarded = <A>(training: Effect.Effect<A>): Effect.Effect<A, DeviceError, Device> => ofDevice(training)
 */
export const ofDevice = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeviceError, R | Device> =>
  Effect.catchCause(program, (cause): Effect.Effect<never, E | DeviceError, Device> => {
    if (Cause.hasInterrupts(cause)) return Effect.failCause(cause)
    const thrown = Result.getOrElse(Cause.findDefect(cause), () => undefined)
    const deviceError: Effect.Effect<never, E | DeviceError> =
      thrown instanceof DeviceError ? Effect.fail(thrown) : Effect.failCause(cause)
    return Effect.flatMap(Device, ({ sync }) => Effect.andThen(sync, deviceError))
  })
