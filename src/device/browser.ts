/** Devices in a browser: `./browser` of the package. Imports nothing of Node, Bun or Deno. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Device } from "./device.ts"
import { DeviceError } from "./device-error.ts"
import { type DeviceChoice, type DeviceOptions, openDevice } from "./open.ts"
import type { Runtime } from "./runtime.ts"
import { openWasmInBrowser } from "./wasm-browser.ts"

export const browser: Runtime = {
  name: "browser",
  gpu: Effect.suspend(() =>
    globalThis.navigator.gpu === undefined
      ? Effect.fail(
          new DeviceError({
            device: "webgpu",
            site: "opening",
            reason: "this browser or page has no navigator.gpu",
            remedy: "WebGPU needs https or localhost; the wasm device works everywhere"
          })
        )
      : Effect.succeed(globalThis.navigator.gpu)
  ),
  openWasm: openWasmInBrowser,
  peakBytes: () => 0
}

export interface BrowserDeviceOptions extends DeviceOptions {
  /**
   * URL of a folder that serves the wasm binaries: `node_modules/@tensorflow/tfjs-backend-wasm/dist/*.wasm` and
   * `node_modules/tfjs-lora-pro/src/kernels/wasm/*.wasm`. Without it each is looked for beside its own script.
   */
  readonly wasmFolder?: string | undefined
}

/** The device as a layer. */
export const layer = (choice: DeviceChoice, { wasmFolder, ...options }: BrowserDeviceOptions = {}) => {
  const openWasm: Runtime["openWasm"] = (wasm) => openWasmInBrowser({ ...wasm, wasmFolder })
  return Layer.effect(Device, openDevice({ ...browser, openWasm }, choice, options))
}

/** WebGPU where a hardware GPU is, else wasm. */
export const auto = layer("auto")
