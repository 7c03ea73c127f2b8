/** Devices in a browser: `./browser` of the package. Imports no code for Node, Bun or Deno. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { messageOf } from "../boundary/index.ts"
import { Device } from "./device.ts"
import { DeviceError } from "./device-error.ts"
import { type DeviceChoice, type DeviceOptions, installer, openDevice, type Runtime } from "./open.ts"
import type { BrowserWasmChoice } from "./wasm-browser.ts"

export type { DeviceChoice } from "./open.ts"
export { DeviceError }

/** The wasm device, loaded when it is opened: a page on a GPU does not need it. */
const wasmDevice = Effect.tryPromise({
  try: () => import("./wasm-browser.ts"),
  catch: (cause) =>
    new DeviceError({
      device: "wasm",
      site: "opening",
      reason: `its script could not be loaded: ${messageOf(cause)}`,
      remedy: "serve all files of the page's bundle"
    })
})

const openWasm = (choice: BrowserWasmChoice) =>
  Effect.flatMap(wasmDevice, ({ openWasmInBrowser }) => openWasmInBrowser(choice))

/** The runtime for devices in pages. */
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
  native: Effect.fail(
    new DeviceError({
      device: "native",
      site: "opening",
      reason: "a page cannot open a library",
      remedy: "the wasm device works everywhere"
    })
  ),
  openWasm,
  peakBytes: () => 0
}

/** Options for the device of a page. */
export interface BrowserDeviceOptions extends DeviceOptions {
  /**
   * URL of a folder that serves the wasm binaries: `node_modules/@tensorflow/tfjs-backend-wasm/dist/*.wasm` and
   * `node_modules/tfjs-lora-pro/src/kernels/wasm/*.wasm`. Default: the folder of the script that loads each of them.
   */
  readonly wasmFolder?: string | undefined
}

/** Returns a layer that provides the device. */
export const layer = (choice: DeviceChoice, { wasmFolder, ...options }: BrowserDeviceOptions = {}) => {
  const runtime: Runtime = { ...browser, openWasm: (wasm) => openWasm({ ...wasm, wasmFolder }) }
  return Layer.effect(Device, openDevice(runtime, choice, options))
}

/** Opens WebGPU on a hardware GPU, wasm otherwise. */
export const auto = layer("auto")

/**
 * Opens a device until the page closes, for pages that do not use Effect.
 *
 * @example
 * import { install } from "tfjs-lora-pro/browser"
 *
 * const { backend } = await install("auto", { wasmFolder: "/wasm/" }) // every tfjs model is on it from here on
 */
export const install = installer(layer)
