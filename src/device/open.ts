/**
 * Opens a device by name or automatically: `auto` selects WebGPU on a hardware adapter, else native kernels if this process supports them,
 * else wasm (a software adapter is three to ten times slower than wasm on the same CPU). A named device fails if it is not available.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { messageOf } from "../boundary/index.ts"
import { Device, type DeviceDescription, type DeviceShape } from "./device.ts"
import type { DeviceError } from "./device-error.ts"
import type { TileStore } from "./tile-plan.ts"
import { isSoftware, nameOfAdapter, requestAdapter, webgpuFailure } from "./webgpu-adapter.ts"

/** Choice between wasm and native. */
export interface WasmChoice {
  readonly threads: "auto" | number
  /** whether results are bitwise identical on every engine; otherwise multiply-adds are fused where the engine supports it */
  readonly deterministic: boolean
  /** the library whose machine code replaces the heavy kernels: the device is then native */
  readonly native?: string | undefined
}

/** An opened wasm or native device. */
export interface OpenedWasm {
  readonly threads: number
  readonly simd: boolean
  /** instruction set of the machine code; undefined: wasm */
  readonly instructions?: string | undefined
  /** why there are fewer threads than requested */
  readonly notice: string | undefined
}

/**
 * Differences between Bun, Deno and browsers. `bun.ts`, `deno.ts` and `browser.ts` each define one; no other file of
 * this folder depends on the current runtime.
 */
export interface Runtime {
  /** name and version, such as "bun 1.4.5" */
  readonly name: string
  /** `navigator.gpu` or its equivalent, also registered for tfjs. Fails if WebGPU is not supported. */
  readonly gpu: Effect.Effect<GPU, DeviceError>
  /** Returns how to enable a GPU that only lacks packages, or undefined if none are missing. Absent in pages, which load what they need. */
  readonly gpuNotice?: () => string | undefined
  /**
   * Name of the only adapter, if it is known to be emulated on the CPU before it is requested in this process; undefined: unknown.
   * Absent if requesting an adapter prints nothing on stderr.
   */
  readonly emulated?: Effect.Effect<string | undefined>
  /** Path of the native library that this process can compute with. Fails with the reason if it is not available. */
  readonly native: Effect.Effect<string, DeviceError>
  /** Storage of GPU measurements between processes. Absent in pages, which do not measure. */
  readonly tileStore?: () => Promise<TileStore>
  readonly openWasm: (choice: WasmChoice) => Effect.Effect<OpenedWasm, DeviceError, Scope.Scope>
  /** Returns bytes; 0: unknown. */
  readonly peakBytes: () => number
}

/** The device to open. "auto": WebGPU on a hardware GPU, else native, else wasm. */
export type DeviceChoice = "auto" | DeviceShape["backend"]

/** Options for opening a device. */
export interface DeviceOptions {
  /** CPU threads of native and wasm, at most 8. Default "auto": the number of cores. */
  readonly threads?: "auto" | number
  /** Default true: wasm computes bitwise identical results on every engine. False allows fused multiply-adds where the engine supports them. */
  readonly deterministic?: boolean
}

type Opening = Effect.Effect<DeviceShape, DeviceError, Scope.Scope>

/** On a GPU, attention keeps one buffer per sequence length; multiples of 16 leave eight lengths up to 128 tokens. */
const GPU_PAD_MULTIPLE = 16

/** Long enough that waiting for a read is a small part of the time, short enough to show progress and to interrupt. */
const GPU_STEPS_PER_READ = 8

const versionsIn = (runtime: Runtime) => ({ tfjs: tf.version_core, runtime: runtime.name })

/** Creates a device without a GPU: nothing is asynchronous, so errors are thrown where they happen. */
const onCpu = (
  runtime: Runtime,
  { backend, threads, simd, ...more }: Omit<DeviceDescription, "versions">,
  rowsAlone: boolean
): DeviceShape => ({
  backend,
  threads,
  padMultiple: 1,
  rowsAlone,
  stepsPerRead: 1,
  describe: () => ({
    backend,
    threads,
    simd,
    versions: versionsIn(runtime),
    ...more
  }),
  sync: Effect.void,
  label: () => {},
  peakBytes: runtime.peakBytes,
  peakGpuBytes: () => 0
})

/** Names the device by what is open: a process has one wasm memory, and opening it again returns its kernels. */
const openWasm = (runtime: Runtime, choice: WasmChoice): Opening =>
  Effect.map(runtime.openWasm(choice), ({ notice, instructions, threads, simd }) =>
    onCpu(
      runtime,
      {
        threads,
        simd,
        ...(instructions === undefined ? { backend: "wasm" } : { backend: "native", instructions }),
        ...(notice === undefined ? {} : { notice })
      },
      true
    )
  )

const openCpu = (runtime: Runtime): Opening =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const previous: string | undefined = tf.getBackend()
      await import("./register.ts")
      await tf.setBackend("cpu")
      ;(tf.backend() as { firstUse?: boolean }).firstUse = false // else it advertises tfjs-node on stderr
      return previous
    }),
    (previous) =>
      Effect.promise(async () => {
        if (previous && tf.findBackendFactory(previous)) await tf.setBackend(previous)
      })
  ).pipe(Effect.as(onCpu(runtime, { backend: "cpu", threads: 1, simd: false }, false)))

/** Loads the engine and its programs, a third of what a page would load, only if a GPU is opened. */
const webgpuDevice = Effect.tryPromise({
  try: () => import("./webgpu.ts"),
  catch: (cause) => webgpuFailure(`its programs could not be loaded: ${messageOf(cause)}`)
})

const openGpu = (runtime: Runtime, adapter: GPUAdapter): Opening =>
  Effect.map(
    Effect.flatMap(webgpuDevice, ({ openWebgpu }) => openWebgpu({ adapter, tileStore: runtime.tileStore })),
    ({ adapter: name, software, tiles, errors, peakBytes }) => ({
      backend: "webgpu" as const,
      threads: 1,
      padMultiple: GPU_PAD_MULTIPLE,
      rowsAlone: false, // products are tiled by their shapes, and memory there is dear
      stepsPerRead: GPU_STEPS_PER_READ,
      describe: () => ({
        backend: "webgpu" as const,
        adapter: name,
        software,
        ...(tiles === undefined ? {} : { tiles }),
        threads: 1,
        simd: false,
        versions: versionsIn(runtime)
      }),
      sync: Effect.flatMap(Effect.promise(errors.settle), (error) =>
        error === undefined ? Effect.void : Effect.fail(error)
      ),
      label: errors.label,
      peakBytes: runtime.peakBytes,
      peakGpuBytes: peakBytes
    })
  )

/** The device that `auto` selects. */
export interface Automatic {
  readonly device: "webgpu" | "native" | "wasm"
  /** the reason, as a clause: "the only GPU adapter is …" */
  readonly because: string
  readonly open: (options: Required<DeviceOptions>) => Opening
}

const emulated = (name: string): string =>
  `the only GPU adapter, ${name}, is emulated on the CPU, which is faster without it`

/** Returns the hardware GPU. Fails with the reason if there is none. */
const hardware = (runtime: Runtime): Effect.Effect<GPUAdapter, string> => {
  const here = runtime.gpu.pipe(
    Effect.flatMap(requestAdapter),
    Effect.mapError(({ reason }) => `there is no GPU to compute on (${reason})`),
    Effect.filterOrFail(
      ({ info }) => !isSoftware(info),
      ({ info }) => emulated(nameOfAdapter(info))
    )
  )
  return Effect.flatMap(runtime.emulated ?? Effect.undefined, (name) =>
    name === undefined ? here : Effect.fail(emulated(name))
  )
}

/** Selects the device of `auto`, with the reason. Never fails: wasm is always available. */
export const automatic = (runtime: Runtime): Effect.Effect<Automatic> =>
  Effect.matchEffect(hardware(runtime), {
    onSuccess: (adapter) =>
      Effect.succeed<Automatic>({
        device: "webgpu",
        because: `${nameOfAdapter(adapter.info)} is a hardware GPU`,
        open: () => openGpu(runtime, adapter)
      }),
    onFailure: (noGpu) =>
      Effect.match(runtime.native, {
        onSuccess: (native): Automatic => ({
          device: "native",
          because: noGpu,
          open: (options) => openWasm(runtime, { ...options, native })
        }),
        onFailure: ({ reason }): Automatic => ({
          device: "wasm",
          because: `${noGpu}, and no native kernels: ${reason}`,
          open: (options) => openWasm(runtime, options)
        })
      })
  })

/** Adds a notice to the description of a device. */
const withNotice =
  (notice: string | undefined) =>
  (device: DeviceShape): DeviceShape => {
    if (notice === undefined) return device
    const describe = () => {
      const description = device.describe()
      return { ...description, notice: [description.notice ?? [], notice].flat().join("; ") }
    }
    return { ...device, describe }
  }

/** Opens a device until the scope closes. Fails with the reason and a remedy if it is not available. */
export const openDevice = (
  runtime: Runtime,
  choice: DeviceChoice,
  { threads = "auto", deterministic = true }: DeviceOptions = {}
): Opening => {
  const options = { threads, deterministic }
  switch (choice) {
    case "auto":
      return Effect.map(
        Effect.flatMap(automatic(runtime), ({ open }) => open(options)),
        withNotice(runtime.gpuNotice?.())
      )
    case "webgpu":
      return runtime.gpu.pipe(
        Effect.flatMap(requestAdapter),
        Effect.flatMap((adapter) => openGpu(runtime, adapter))
      )
    case "native":
      return Effect.flatMap(runtime.native, (native) => openWasm(runtime, { ...options, native }))
    case "wasm":
      return openWasm(runtime, options)
    case "cpu":
      return openCpu(runtime)
  }
}

type LayerOf<Options> = (choice: DeviceChoice, options?: Options) => Layer.Layer<Device, DeviceError>

/** Opens a device that is never closed. Rejects with a DeviceError and restores tfjs if it is not available. */
type Install<Options = DeviceOptions> = (choice?: DeviceChoice, options?: Options) => Promise<DeviceDescription>

/** Creates `install` of an entry point. */
export const installer =
  <Options = DeviceOptions>(layerOf: LayerOf<Options>): Install<Options> =>
  (choice = "auto", options) =>
    Layer.buildWithScope(layerOf(choice, options), Scope.makeUnsafe()).pipe(
      Effect.map((context) => Context.get(context, Device).describe()),
      Effect.runPromise
    )
