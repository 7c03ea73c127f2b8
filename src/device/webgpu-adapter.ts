/** What a GPU adapter is called and can do; all that is needed before one is opened. */
import * as Effect from "effect/Effect"
import { messageOf } from "../boundary/index.ts"
import { DeviceError } from "./device-error.ts"

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
    catch: (cause) => webgpuFailure(messageOf(cause))
  }).pipe(
    Effect.flatMap((adapter) =>
      adapter === null
        ? Effect.fail(webgpuFailure("no adapter: the system has no usable GPU driver"))
        : Effect.succeed(adapter)
    )
  )

/** The limits that decide what can be computed, and how. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension"
] as const satisfies ReadonlyArray<keyof GPUSupportedLimits>

export interface AdapterDescription {
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  /** emulated on the CPU */
  readonly software: boolean
  /** of the features that a device is asked for where they are there */
  readonly features: Readonly<Record<(typeof FEATURES)[number], boolean>>
  readonly limits: Readonly<Record<(typeof LIMITS)[number], number>>
  /** invocations of a subgroup, least and most; absent where the runtime does not say */
  readonly subgroups?: readonly [number, number]
}

const describeAdapter = ({ info, features, limits }: GPUAdapter): AdapterDescription => {
  const { subgroupMinSize, subgroupMaxSize } = info
  return {
    name: nameOfAdapter(info),
    vendor: info.vendor,
    architecture: info.architecture,
    software: isSoftware(info),
    features: Object.fromEntries(FEATURES.map((name) => [name, features.has(name)])) as AdapterDescription["features"],
    limits: Object.fromEntries(LIMITS.map((name) => [name, limits[name]])) as AdapterDescription["limits"],
    ...(features.has("subgroups") && subgroupMaxSize > 0 ? { subgroups: [subgroupMinSize, subgroupMaxSize] } : {})
  }
}

/** WebGPU lists no adapters; what can be asked for is the better one, the frugal one, and an emulated one. */
const REQUESTS: ReadonlyArray<GPURequestAdapterOptions> = [
  { powerPreference: "high-performance" },
  { powerPreference: "low-power" },
  { forceFallbackAdapter: true }
]

/** The adapters, each once, the one that would be taken first. */
export const adaptersOf = (gpu: GPU): Effect.Effect<ReadonlyArray<AdapterDescription>> =>
  Effect.forEach(
    REQUESTS,
    (request) => Effect.promise(() => gpu.requestAdapter(request).catch(() => null)) // refused: not there
  ).pipe(
    Effect.map((adapters) => {
      const found = adapters.filter((adapter) => adapter !== null).map(describeAdapter)
      return [...new Map(found.map((adapter) => [JSON.stringify(adapter), adapter])).values()]
    })
  )
