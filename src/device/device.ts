/**
 * The device as a service: what a program may know about the machine it computes on, and how it learns of a failure
 * there. Tensors themselves go through tfjs, whose current backend the device's layer sets and, at the end of its
 * scope, takes back.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { DeviceError } from "./device-error.ts"

export type Backend = "webgpu" | "native" | "wasm" | "cpu"

/** What a run records about its device. Flat, so that it prints in a line. */
export interface DeviceDescription {
  /** what it is open as: "native" is tfjs's backend "wasm" with native kernels, any other is tfjs's name */
  readonly backend: Backend
  /** the GPU, in its driver's words; absent without one */
  readonly adapter?: string
  /** a GPU that is emulated on the CPU; absent without a GPU */
  readonly software?: boolean
  /** how products on a GPU choose their tiles; no result depends on it; absent without a GPU, and on one that is emulated */
  readonly tiles?: string
  /** CPU threads of a matrix product; 1 on a GPU */
  readonly threads: number
  /** whether wasm has 128-bit vectors */
  readonly simd: boolean
  /** that native kernels are compiled for: avx512, avx2 or neon; absent on other devices */
  readonly instructions?: string
  /** of what computes */
  readonly versions: Readonly<Record<string, string>>
  /** why the device is less than what was asked for; absent: it is not */
  readonly notice?: string
}

/** An open device: its backend, and what a run has to know of it. */
export interface DeviceShape {
  /** what it is open as: "native" is tfjs's backend "wasm" with native kernels, any other is tfjs's name */
  readonly backend: Backend
  /** CPU threads of a matrix product; 1 on a GPU */
  readonly threads: number
  /**
   * Pad token sequences to a multiple of this: a GPU keeps buffers by size, so it wants few sizes; the CPU wants no
   * padding.
   */
  readonly padMultiple: number
  /**
   * Whether a row's hidden states are the same bits whichever rows share its batch and however far it is padded, in batches of four
   * positions or more: then those that come again may be kept.
   */
  readonly rowsAlone: boolean
  /** Steps to give the device before its numbers are read: a read waits for all that a GPU has yet to do. */
  readonly stepsPerRead: number
  /** What runs record: the adapter's name, threads, versions and whatever makes the device less than what was asked for. */
  readonly describe: () => DeviceDescription
  /**
   * Waits for the device and fails with whatever has gone wrong on it since the last call. tfjs never throws on a GPU
   * error and returns other tensors' memory instead, so that nothing computed before a successful `sync` may be
   * trusted.
   */
  readonly sync: Effect.Effect<void, DeviceError>
  /** Says what is computed from here on, for the message of an error; a name such as "step 12". Cheap. */
  readonly label: (site: string) => void
  /** The process's largest resident size so far, in bytes; 0 where the runtime does not tell (browsers). */
  readonly peakBytes: () => number
  /** The largest number of bytes allocated on the GPU so far; 0 without one. */
  readonly peakGpuBytes: () => number
}

/**
 * The device that a program runs on, as a service. Layers: `Device.auto`, `Device.layer("wasm")`, and those of the
 * doors for Bun, Deno and pages.
 */
export class Device extends Context.Service<Device, DeviceShape>()("tfjs-lora-pro/Device") {}

/**
 * A program that fails because its device did: fails with what the device says of it. What the program saw (numbers
 * that are not finite, a read that is refused, an exception out of tfjs) is only what came of that. A `DeviceError`
 * that was thrown, out of a kernel, is a failure too.
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
    const own: Effect.Effect<never, E | DeviceError> =
      thrown instanceof DeviceError ? Effect.fail(thrown) : Effect.failCause(cause)
    return Effect.flatMap(Device, ({ sync }) => Effect.andThen(sync, own))
  })
