/** `training.precision`: products with frozen weights in bfloat16, where a device has instructions for them. Loaded by runs that ask for it. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { openLibrary, wasmEngineOf } from "../kernels/wasm/index.ts"
import { Device } from "./device.ts"
import { DeviceError } from "./device-error.ts"
import type { Runtime } from "./open.ts"

/** What `training.precision: "bfloat16"` needs. */
export const BFLOAT16_NEEDS =
  "bfloat16 needs the native device on a processor with AMX, AVX512-BF16 or, on arm64, BF16 instructions"
const REMEDY = 'set training.precision to "float32", or train on such a processor'

/**
 * Runs a program with products of the current device with frozen weights in bfloat16, which the device's description then says. Fails with a
 * DeviceError if the device or the processor has no instructions for it.
 */
export const inBfloat16 = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeviceError, R | Device> =>
  Effect.gen(function* () {
    const device = yield* Device
    const engine = wasmEngineOf(tf.backend())
    const [fastest] = engine?.bfloat16?.() ?? []
    if (engine === undefined || fastest === undefined)
      return yield* new DeviceError({
        device: device.backend,
        site: "training.precision",
        reason: device.backend === "native" ? `${BFLOAT16_NEEDS}, and this one has none` : BFLOAT16_NEEDS,
        remedy: REMEDY
      })
    const describe = () => ({ ...device.describe(), products: `bfloat16 (${fastest.name})` })
    const begin = Effect.sync(() => {
      engine.products = fastest
    })
    const end = Effect.sync(() => {
      engine.products = undefined
    })
    return yield* Effect.acquireUseRelease(
      begin,
      () => Effect.provideService(program, Device, { ...device, describe }),
      () => end
    )
  })

/** Returns a processor's instructions for products in bfloat16, the fastest first; empty without any, or without native kernels. */
export const bfloat16On = ({ native }: Pick<Runtime, "native">): Effect.Effect<ReadonlyArray<string>> =>
  Effect.match(native, {
    onFailure: () => [],
    onSuccess: (file) =>
      openLibrary(file)
        .bfloat16()
        .map(({ name }) => name)
  })
