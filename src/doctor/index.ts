/**
 * Reports what this machine can train on: its GPU adapters and devices, a two-second benchmark of each, which one `--device auto`
 * selects and why, and problems with remedies. Never fails: problems are part of the result.
 */
import path from "node:path"
import process from "node:process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { counted, messageOf, wholeNumber } from "../boundary/index.ts"
import {
  type AdapterDescription,
  type Automatic,
  adaptersOf,
  automatic,
  bfloat16On,
  Device,
  DeviceError,
  describeWasm,
  ofDevice,
  openDevice,
  type Runtime,
  tilesFolder,
  type WasmDescription
} from "../device/index.ts"
import { foreign } from "../ffi/index.ts"
import { versions } from "../output/index.ts"
import { foundLibraries, LIBRARY_VARIABLE } from "../ranks/mpi/index.ts"
import { measure, PRODUCT, type Rates, STEP } from "./measure.ts"

export interface Problem {
  readonly problem: string
  readonly remedy: string
}

/** The devices to measure; cpu only serves to test the others. */
type Measured = Automatic["device"]

export interface Measurement extends Rates {
  readonly device: Measured
  readonly threads: number
  /** for webgpu: how matrix products choose their tiles, and the folder of the stored measurements; null if products use no tiles */
  readonly tiles?: { readonly chosen: string; readonly folder: string | null } | null
}

export interface Diagnosis {
  readonly versions: Readonly<Record<string, string>>
  /** operating system and processor, such as "linux x64" */
  readonly system: string
  readonly adapters: ReadonlyArray<AdapterDescription>
  readonly wasm: WasmDescription
  readonly measured: ReadonlyArray<Measurement>
  readonly auto: { readonly device: Measured; readonly because: string }
  /** instructions of the processor for `training.precision: "bfloat16"`, the fastest first */
  readonly bfloat16: ReadonlyArray<string>
  /** the runtime's interface to C functions, such as "bun:ffi" or "koffi 3.3.4", or why it has none */
  readonly foreignFunctions: { readonly interface: string | null; readonly missing: string | null }
  /** MPI libraries for runs on several processes, and how to install one */
  readonly mpi: {
    readonly libraries: ReadonlyArray<{ readonly version: string; readonly file: string }>
    readonly missing: string | null
  }
  readonly problems: ReadonlyArray<Problem>
}

const foreignFunctionsHere = (): Diagnosis["foreignFunctions"] => {
  const library = foreign()
  return "reason" in library ? { interface: null, missing: library.reason } : { interface: library.name, missing: null }
}

const mpiHere = (): Diagnosis["mpi"] => {
  const mpi = foundLibraries()
  if ("reason" in mpi) return { libraries: [], missing: mpi.reason }
  const missing = `none: runs use one process; to use several, install openmpi-bin or mpich, or set ${LIBRARY_VARIABLE} to a library`
  return {
    libraries: mpi.map(({ version, file }) => ({ version, file })),
    missing: mpi.length === 0 ? missing : null
  }
}

const NO_ADAPTER =
  "install the GPU's own driver (on Linux its Vulkan driver; in a container, pass the GPU and the driver through); " +
  "for tests, mesa-vulkan-drivers has an emulated one"

const problemOf = (device: string, cause: Cause.Cause<unknown>): Problem => {
  const error = Cause.squash(cause)
  if (error instanceof DeviceError) {
    const { site, kernel, reason, remedy } = error
    const where = [...(site === "opening" ? [] : [site]), ...(kernel === undefined ? [] : [`kernel ${kernel}`])]
    return { problem: [device, ...where, reason].join(": "), remedy }
  }
  const message = messageOf(error)
  return { problem: `${device}: ${message}`, remedy: "train on another device" }
}

type Outcome<A> = { readonly success: A } | { readonly problem: Problem }

/** Returns the value, or the problem that prevents it. Also catches defects: an exception from a driver must not end the diagnosis. */
const outcome = <A, R>(device: string, effect: Effect.Effect<A, unknown, R>): Effect.Effect<Outcome<A>, never, R> =>
  effect.pipe(
    Effect.map((success): Outcome<A> => ({ success })),
    Effect.catchCause((cause) =>
      Cause.hasInterrupts(cause)
        ? (Effect.failCause(cause) as Effect.Effect<never>)
        : Effect.succeed({ problem: problemOf(device, cause) })
    )
  )

const adaptersIn = (runtime: Runtime) =>
  Effect.flatMap(runtime.gpu, adaptersOf).pipe(
    Effect.filterOrFail(
      (adapters) => adapters.length > 0,
      () => new DeviceError({ device: "webgpu", site: "opening", reason: "no adapter", remedy: NO_ADAPTER })
    )
  )

const measurementOn = (runtime: Runtime, device: Measured) =>
  Effect.gen(function* () {
    const opened = yield* openDevice(runtime, device)
    const { backend, threads, notice, tiles: chosen } = opened.describe()
    const rates = yield* measure.pipe(ofDevice, Effect.provideService(Device, opened))
    const tiles = chosen === undefined ? null : { chosen, folder: tilesFolder(path) ?? null }
    return {
      measurement: { device, threads, ...rates, ...(backend === "webgpu" ? { tiles } : {}) } satisfies Measurement,
      notice
    }
  }).pipe(Effect.scoped)

/** Problems that make a working device slower or weaker than it could be. */
const shortcomings = (
  adapters: ReadonlyArray<AdapterDescription>,
  measured: ReadonlyArray<Measurement>,
  auto: Diagnosis["auto"]
): ReadonlyArray<Problem> => {
  const [taken] = measured.filter(({ device }) => device === auto.device)
  const faster = measured.find(({ stepsPerSecond }) => stepsPerSecond > 1.1 * (taken?.stepsPerSecond ?? 0))
  return [
    ...(adapters.length > 0 && adapters.every(({ software }) => software)
      ? [{ problem: "webgpu: no hardware GPU: all adapters are emulated on the CPU", remedy: NO_ADAPTER }]
      : []),
    ...(taken !== undefined && faster !== undefined
      ? [
          {
            problem: `auto chooses ${auto.device}, but ${faster.device} trained faster`,
            remedy: `use --device ${faster.device} for models as small as the measured one`
          }
        ]
      : [])
  ]
}

/** Diagnoses the machine that `runtime` runs on. Calls `tell` with the current activity. */
export const diagnose = (
  runtime: Runtime,
  tell: (doing: string) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<Diagnosis> =>
  Effect.gen(function* () {
    const problems: Array<Problem> = []
    const successesOf = <A>(result: Outcome<A>): ReadonlyArray<A> => {
      if ("success" in result) return [result.success]
      problems.push(result.problem)
      return []
    }
    yield* tell("looking for GPUs")
    const adapters = successesOf(yield* outcome("webgpu", adaptersIn(runtime))).flat()
    const { device, because } = yield* automatic(runtime)
    const auto = { device, because }
    const native = successesOf(yield* outcome("native", runtime.native))
    const measured: Array<Measurement> = []
    const candidates: ReadonlyArray<Measured> = [
      "wasm",
      ...(native.length > 0 ? (["native"] as const) : []),
      ...(adapters.length > 0 ? (["webgpu"] as const) : [])
    ]
    for (const device of candidates) {
      yield* tell(`measuring ${device}`)
      for (const { measurement, notice } of successesOf(yield* outcome(device, measurementOn(runtime, device)))) {
        measured.push(measurement)
        if (notice !== undefined)
          problems.push({ problem: notice, remedy: "run doctor again; one thread gives the same numbers" })
      }
    }
    return {
      versions: versions(),
      system: `${process.platform} ${process.arch}`,
      adapters,
      wasm: describeWasm(),
      measured,
      auto,
      bfloat16: yield* bfloat16On(runtime),
      foreignFunctions: foreignFunctionsHere(),
      mpi: mpiHere(),
      problems: [...problems, ...shortcomings(adapters, measured, auto)]
    }
  })

const mebibytes = (bytes: number): string => `${wholeNumber(Math.floor(bytes / 2 ** 20))} MiB`

const yesOrNo = (is: boolean): string => (is ? "yes" : "no")

const adapterLines = ({ name, software, features, limits, subgroups }: AdapterDescription): ReadonlyArray<string> => {
  const all = Object.entries(features)
  const has = all.flatMap(([feature, there]) => (there ? [feature] : []))
  const lacks = all.flatMap(([feature, there]) => (there ? [] : [feature]))
  const size = subgroups === undefined ? [] : [`subgroups of ${[...new Set(subgroups)].join(" to ")}`]
  const most = [
    `buffers of ${mebibytes(limits.maxBufferSize)}`,
    `bindings of ${mebibytes(limits.maxStorageBufferBindingSize)}`,
    `${limits.maxStorageBuffersPerShaderStage} storage buffers`,
    `workgroups of ${limits.maxComputeInvocationsPerWorkgroup} with ${limits.maxComputeWorkgroupStorageSize / 1024} KiB`
  ]
  return [
    `  ${name} (${software ? "software: emulated on the CPU" : "hardware"})`,
    `    features: ${[...has, ...lacks.map((feature) => `no ${feature}`)].join(", ")}`,
    `    at most: ${[...most, ...size].join(", ")}`
  ]
}

const tilesLine = ({ tiles }: Measurement): ReadonlyArray<string> => {
  if (tiles === undefined) return []
  if (tiles === null) return ["    matrix product tiles: not measured on an emulated GPU"]
  const { chosen, folder } = tiles
  return [`    matrix product tiles: ${chosen}${folder === null ? "" : ` (measurements are kept in ${folder})`}`]
}

const rate = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)

/** Formats a diagnosis as text, without a final newline. */
export const diagnosisText = ({
  versions,
  system,
  adapters,
  wasm,
  measured,
  auto,
  bfloat16,
  foreignFunctions,
  mpi,
  problems
}: Diagnosis): string => {
  const table = measured.flatMap((measurement) => {
    const { device, threads, gflops, stepsPerSecond } = measurement
    const on = device !== "webgpu" ? `, ${counted(threads, "thread")}` : ""
    const rates = [`${rate(gflops).padStart(7)} GFLOP/s`, `${rate(stepsPerSecond).padStart(7)} steps/s`]
    return [`  ${`${device}${on}`.padEnd(18)} ${rates.join("   ")}`, ...tilesLine(measurement)]
  })
  return [
    `${Object.entries(versions)
      .map((named) => named.join(" "))
      .join(" · ")} · ${system}, ${counted(wasm.cores, "core")}`,
    "",
    "WebGPU adapters",
    ...(adapters.length === 0 ? ["  none"] : adapters.flatMap(adapterLines)),
    "",
    "wasm",
    `  SIMD ${yesOrNo(wasm.simd)}, relaxed SIMD ${yesOrNo(wasm.relaxedSimd)}, threads ${yesOrNo(wasm.sharedMemory)}`,
    "",
    "bfloat16 products (training.precision)",
    `  ${bfloat16.length === 0 ? "no instructions for them" : bfloat16.join(", ")}`,
    "",
    "Foreign-function interface",
    `  ${foreignFunctions.interface ?? foreignFunctions.missing}`,
    "",
    "MPI",
    ...(mpi.missing === null
      ? mpi.libraries.map(({ version, file }) => `  ${version} (${file})`)
      : [`  ${mpi.missing}`]),
    "",
    `Measured: ${PRODUCT}; ${STEP}`,
    ...(table.length === 0 ? ["  nothing"] : table),
    "",
    `--device auto chooses ${auto.device}: ${auto.because}.`,
    ...(problems.length === 0 ? [] : ["", "Problems"]),
    ...problems.flatMap(({ problem, remedy }) => [
      `  ${problem.replaceAll("\n", "\n    ")}`,
      ...(remedy === "" ? [] : [`    → ${remedy}`])
    ])
  ].join("\n")
}
