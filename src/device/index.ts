/**
 * Devices of the current runtime. A program for a single runtime imports `./bun.ts`, `./deno.ts` or `./browser.ts`
 * instead, without the code of the others.
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
import { Device as OpenDevice } from "./device.ts"
import type { DeviceError } from "./device-error.ts"
import type { DeviceChoice, DeviceOptions, Runtime } from "./open.ts"

type LayerOf = (choice: DeviceChoice, options?: DeviceOptions) => Layer.Layer<OpenDevice, DeviceError>

const runtimeModule = (): Promise<{ readonly layer: LayerOf }> => {
  if ("Deno" in globalThis) return import("./deno.ts")
  return "document" in globalThis ? import("./browser.ts") : import("./bun.ts")
}

/** The current runtime, if it is not a browser. */
export const currentRuntime: Effect.Effect<Runtime> = Effect.promise(async () =>
  "Deno" in globalThis ? (await import("./deno.ts")).deno : (await import("./bun.ts")).bun
)

/** The service `Device` with its layers. It is the same service as in a page, which does not load modules of other runtimes. */
export class Device extends OpenDevice {
  /** Returns a layer that provides the device and closes it with its scope. Fails with a `DeviceError`. */
  static readonly layer: LayerOf = (choice, options = {}) =>
    Layer.unwrap(Effect.map(Effect.promise(runtimeModule), (runtime) => runtime.layer(choice, options)))

  /** `Device.layer("auto")`: WebGPU on a hardware GPU, else native, else wasm */
  static readonly auto = Device.layer("auto")
}

export { type DeviceDescription, type DeviceShape, ofDevice } from "./device.ts"
export { DeviceError } from "./device-error.ts"
export { type Automatic, automatic, type DeviceChoice, type DeviceOptions, openDevice, type Runtime } from "./open.ts"
export { BFLOAT16_NEEDS, bfloat16On } from "./precision.ts"
export { tilesFolder } from "./tiles-folder.ts"
export { describeWasm, type WasmDescription } from "./wasm-probe.ts"
export { type AdapterDescription, adaptersOf } from "./webgpu-adapter.ts"
