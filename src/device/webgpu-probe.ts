/** What a runtime's WebGPU offers: every adapter that it gives out, in data. Opens none of them. */
import * as Effect from "effect/Effect"
import { FEATURES, isSoftware, nameOfAdapter } from "./webgpu-adapter.ts"

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
