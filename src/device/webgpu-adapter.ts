/** Names and capabilities of GPU adapters, before one is opened. */
import * as Effect from "effect/Effect"
import { messageOf } from "../boundary/index.ts"
import { DeviceError } from "./device-error.ts"

/** Features to request if the adapter supports them. */
export const FEATURES = ["timestamp-query", "subgroups", "shader-f16"] as const

const SOFTWARE = /llvmpipe|lavapipe|softpipe|swiftshader|basic render/i

/** Returns a readable name of an adapter. */
export const nameOfAdapter = ({ vendor, architecture, device, description }: GPUAdapterInfo): string =>
  description || [vendor, architecture, device].filter((part) => part !== "").join(" ") || "unnamed GPU"

/** Checks whether the adapter is emulated on the CPU. Runtimes report this in different fields. */
export const isSoftware = (info: GPUAdapterInfo): boolean =>
  info.isFallbackAdapter === true ||
  SOFTWARE.test([info.vendor, info.architecture, info.device, info.description].join(" "))

/** Returns the error of an adapter that cannot be used. */
export const webgpuFailure = (reason: string): DeviceError =>
  new DeviceError({ device: "webgpu", site: "opening", reason, remedy: "the wasm device needs no GPU (--device wasm)" })

/** Requests the best adapter, hardware or not. Fails without an adapter. */
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

/** The limits that determine what can be computed, and how. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension"
] as const satisfies ReadonlyArray<keyof GPUSupportedLimits>

/** Properties of an adapter. */
export interface AdapterDescription {
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  /** whether it is emulated on the CPU */
  readonly software: boolean
  /** support for each of `FEATURES` */
  readonly features: Readonly<Record<(typeof FEATURES)[number], boolean>>
  readonly limits: Readonly<Record<(typeof LIMITS)[number], number>>
  /** minimum and maximum size of a subgroup; absent if the runtime does not report it */
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

/** WebGPU does not list adapters; it can be asked for a high-performance, a low-power, and an emulated one. */
const REQUESTS: ReadonlyArray<GPURequestAdapterOptions> = [
  { powerPreference: "high-performance" },
  { powerPreference: "low-power" },
  { forceFallbackAdapter: true }
]

/** Returns the distinct adapters, in order of preference. */
export const adaptersOf = (gpu: GPU): Effect.Effect<ReadonlyArray<AdapterDescription>> =>
  Effect.forEach(
    REQUESTS,
    (request) => Effect.promise(() => gpu.requestAdapter(request).catch(() => null)) // refused: not there
  ).pipe(
    Effect.map((adapters) => {
      const descriptions = adapters.filter((adapter) => adapter !== null).map(describeAdapter)
      return [...new Map(descriptions.map((adapter) => [JSON.stringify(adapter), adapter])).values()]
    })
  )
