/** What a GPU adapter is called and can do; all that is needed before one is opened. */
import * as Effect from "effect/Effect"
import { DeviceError, reasonOf } from "./device-error.ts"

/** Asked for where the adapter has them. */
export const FEATURES = ["timestamp-query", "subgroups", "shader-f16"] as const

const SOFTWARE = /llvmpipe|lavapipe|softpipe|swiftshader|basic render/i

export const nameOfAdapter = ({ vendor, architecture, device, description }: GPUAdapterInfo): string =>
  description || [vendor, architecture, device].filter((part) => part !== "").join(" ") || "unnamed GPU"

/** Is the adapter emulated on the CPU? Runtimes differ in which of its fields say so. */
export const isSoftware = (info: GPUAdapterInfo): boolean =>
  info.isFallbackAdapter === true ||
  SOFTWARE.test([info.vendor, info.architecture, info.device, info.description].join(" "))

export const webgpuFailure = (reason: string): DeviceError =>
  new DeviceError({ device: "webgpu", site: "opening", reason, remedy: "the wasm device needs no GPU (--device wasm)" })

/** The best adapter, hardware or not. */
export const requestAdapter = (gpu: GPU): Effect.Effect<GPUAdapter, DeviceError> =>
  Effect.tryPromise({
    try: () => gpu.requestAdapter({ powerPreference: "high-performance" }),
    catch: (cause) => webgpuFailure(reasonOf(cause))
  }).pipe(
    Effect.flatMap((adapter) =>
      adapter === null
        ? Effect.fail(webgpuFailure("no adapter: the system has no usable GPU driver"))
        : Effect.succeed(adapter)
    )
  )
