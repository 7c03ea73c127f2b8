/**
 * The device of whatever runtime this is. A program that knows its runtime imports `./bun.ts`, `./deno.ts` or `./browser.ts`
 * instead, and with it nothing of the others.
 *
 * @example
 * import { Effect } from "effect"
 * import { Device } from "tfjs-lora-pro"
 *
 * const backend = Device.use(({ backend }) => Effect.succeed(backend)).pipe(
 *   Effect.provide(Device.layer("wasm", { threads: 2 }))
 * )
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Device as DeviceService } from "./device.ts"
import type { DeviceError } from "./device-error.ts"
import type { DeviceChoice, DeviceOptions, Runtime } from "./open.ts"

type LayerOf = (choice: DeviceChoice, options: DeviceOptions) => Layer.Layer<DeviceService, DeviceError>

const runtimeModule = (): Promise<{ readonly layer: LayerOf }> => {
  if ("Deno" in globalThis) return import("./deno.ts")
  return "document" in globalThis ? import("./browser.ts") : import("./bun.ts")
}

/** The runtime that this process is, where it is none of a browser's. */
export const currentRuntime: Effect.Effect<Runtime> = Effect.promise(async () =>
  "Deno" in globalThis ? (await import("./deno.ts")).deno : (await import("./bun.ts")).bun
)

/** The device as a layer; its scope's end closes the device. Fails with a `DeviceError`. */
const layer = (choice: DeviceChoice, options: DeviceOptions = {}) =>
  Layer.unwrap(Effect.map(Effect.promise(runtimeModule), (runtime) => runtime.layer(choice, options)))

/** The service `Device` and its layers: `Device.layer(choice, { threads })`, `Device.auto`. */
export const Device = Object.assign(DeviceService, {
  layer,
  /** the layer of `Device.layer("auto")`: WebGPU on a hardware GPU, else native, else wasm */
  auto: layer("auto")
})
export type Device = DeviceService

export { type DeviceDescription, type DeviceShape, ofDevice } from "./device.ts"
export { DeviceError } from "./device-error.ts"
export { type Automatic, automatic, type DeviceChoice, type DeviceOptions, openDevice, type Runtime } from "./open.ts"
export { tilesFolder } from "./tiles-folder.ts"
export { describeWasm, type WasmDescription } from "./wasm-probe.ts"
export { type AdapterDescription, adaptersOf } from "./webgpu-adapter.ts"
