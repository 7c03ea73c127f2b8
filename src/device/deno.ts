/** Devices in Deno: `auto` is the layer that selects one, `layer` opens one by name, `install` works without Effect. WebGPU is built into Deno. */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Device } from "./device.ts"
import { DeviceError } from "./device-error.ts"
import { gpuPackages } from "./gpu-packages.ts"
import { nativeLibrary } from "./native.ts"
import { type DeviceChoice, type DeviceOptions, installer, openDevice, type Runtime } from "./open.ts"
import { openWasm, peakResidentBytes } from "./wasm.ts"

const packages = gpuPackages(["@tensorflow/tfjs-backend-webgpu"], (names) => `deno add npm:${names}`)

/** The runtime for devices in Deno: built-in WebGPU, native and wasm kernels. */
export const deno: Runtime = {
  name: `deno ${process.versions["deno"] ?? "?"}`,
  gpu: Effect.suspend(() => {
    const missing = packages.error()
    if (missing !== undefined) return Effect.fail(missing)
    return globalThis.navigator.gpu === undefined
      ? Effect.fail(
          new DeviceError({
            device: "webgpu",
            site: "opening",
            reason: "this Deno has no navigator.gpu",
            remedy: "run it with --unstable-webgpu, or use --device wasm"
          })
        )
      : Effect.succeed(globalThis.navigator.gpu)
  }),
  gpuNotice: packages.notice,
  native: nativeLibrary,
  tileStore: async () => (await import("./kept-tiles.ts")).tileStore,
  openWasm,
  peakBytes: peakResidentBytes
}

/** Returns a layer that provides the device. */
export const layer = (choice: DeviceChoice, options?: DeviceOptions) =>
  Layer.effect(Device, openDevice(deno, choice, options))

/** Opens WebGPU on a hardware GPU, else native, else wasm, on all cores. */
export const auto = layer("auto")

/**
 * Opens a device for the rest of the process.
 *
 * @example
 * import { install } from "tfjs-lora-pro/deno"
 *
 * const { backend } = await install("wasm", { threads: 2 }) // every tfjs model is on it from here on
 */
export const install = installer(layer)
