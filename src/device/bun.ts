/**
 * Devices in Bun and Node. WebGPU is Dawn from the npm package `webgpu`, which the user installs, because neither runtime includes WebGPU.
 */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { emulatedAdapter } from "./adapter-probe.ts"
import { Device } from "./device.ts"
import { openingError } from "./device-error.ts"
import { gpuPackages } from "./gpu-packages.ts"
import { nativeLibrary } from "./native.ts"
import { linesCanBeLeftOut, withoutLines } from "./native-stderr.ts"
import { type DeviceChoice, type DeviceOptions, installer, openDevice, type Runtime } from "./open.ts"
import { openWasm, peakResidentBytes } from "./wasm.ts"

/**
 * Dawn's warning, on each request for an adapter, that a driver allows more than Dawn can use, such as Mesa's for the CPU. The reduced limits
 * are sufficient.
 */
const REDUCED = /^Warning: max\w+ artificially reduced from \d+ to \d+ /

/** Returns Dawn without these warnings, which it prints synchronously during a request. */
const quiet = (gpu: GPU): GPU => {
  const requestAdapter = gpu.requestAdapter.bind(gpu)
  gpu.requestAdapter = (options) => withoutLines(REDUCED, () => requestAdapter(options))
  return gpu
}

/** Key under which Dawn's instance is referenced: garbage-collecting it crashes the process with a segmentation fault. */
const DAWN = Symbol.for("tfjs-lora-pro/dawn")

const dawn = async (): Promise<GPU> => {
  const missing = packages.error()
  if (missing !== undefined) throw missing
  const holder = globalThis as { [DAWN]?: GPU }
  if (holder[DAWN] !== undefined) return holder[DAWN]
  const { create, globals } = await import("webgpu")
  Object.assign(globalThis, globals) // tfjs reads GPUBufferUsage and its like as globals, while it is imported
  const gpu = quiet(create([]) as GPU)
  holder[DAWN] = gpu
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true })
  return gpu
}

const inBun = process.versions["bun"] !== undefined

const packages = gpuPackages(["webgpu", "@tensorflow/tfjs-backend-webgpu"], (names) =>
  inBun ? `bun add ${names}` : `npm install ${names}`
)

/** The runtime for devices in Bun or Node: WebGPU from the package `webgpu` (Dawn), native and wasm kernels. */
export const bun: Runtime = {
  name: inBun ? `bun ${process.versions["bun"]}` : `node ${process.versions.node}`,
  gpu: Effect.tryPromise({
    try: dawn,
    catch: openingError("webgpu", "the wasm device needs no GPU (--device wasm)")
  }),
  gpuNotice: packages.notice,
  emulated: Effect.suspend(() => (linesCanBeLeftOut() ? Effect.undefined : Effect.promise(emulatedAdapter))),
  native: nativeLibrary,
  tileStore: async () => (await import("./kept-tiles.ts")).tileStore,
  openWasm,
  peakBytes: peakResidentBytes
}

/** Returns a layer that provides the device. */
export const layer = (choice: DeviceChoice, options?: DeviceOptions) =>
  Layer.effect(Device, openDevice(bun, choice, options))

/** Opens WebGPU on a hardware GPU, else native, else wasm, on all cores. */
export const auto = layer("auto")

/**
 * Opens a device for the rest of the process.
 *
 * @example
 * import { install } from "tfjs-lora-pro/bun"
 *
 * const { backend } = await install("wasm", { threads: 2 }) // every tfjs model is on it from here on
 */
export const install = installer(layer)
