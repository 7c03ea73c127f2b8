/**
 * Opens a device by choice: `auto` takes WebGPU where a hardware adapter exists, native kernels where this process can have them, and
 * wasm elsewhere (a software adapter is three to ten times slower than wasm on the same CPU); a name takes that one or fails.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { messageOf } from "../boundary/index.ts"
import { Device, type DeviceDescription, type DeviceShape } from "./device.ts"
import type { DeviceError } from "./device-error.ts"
import type { KeptTiles } from "./tile-plan.ts"
import { isSoftware, nameOfAdapter, requestAdapter, webgpuFailure } from "./webgpu-adapter.ts"

export interface WasmChoice {
  readonly threads: "auto" | number
  /** the same bits on every engine; without it, multiply-adds are fused where the engine can */
  readonly deterministic: boolean
  /** the file of the library whose machine code replaces the heavy kernels: the device is native then */
  readonly native?: string | undefined
}

export interface OpenedWasm {
  readonly threads: number
  readonly simd: boolean
  /** of the machine code that computes; undefined: wasm's */
  readonly instructions?: string | undefined
  /** why there are fewer threads than asked for */
  readonly notice: string | undefined
}

/**
 * What differs between Bun, Deno and browsers, as a value. `bun.ts`, `deno.ts` and `browser.ts` each make one; nothing else in
 * this folder asks which runtime it is in.
 */
export interface Runtime {
  /** name and version, e.g. "bun 1.4.5" */
  readonly name: string
  /** `navigator.gpu` or its equivalent, also put where tfjs looks for it. Fails where there is no WebGPU. */
  readonly gpu: Effect.Effect<GPU, DeviceError>
  /** Returns how to use a GPU that lacks packages only; undefined: nothing is missing. Absent in pages, which load what they need. */
  readonly gpuNotice?: () => string | undefined
  /**
   * The name of the only adapter, where it is known to be emulated on the CPU before it is asked for here; undefined: it is not known.
   * Absent where asking says nothing on stderr.
   */
  readonly emulated?: Effect.Effect<string | undefined>
  /** The file of the native library that this process can compute with. Fails where there is none, with its reason. */
  readonly native: Effect.Effect<string, DeviceError>
  /** How measurements of a GPU are kept from one process to the next. Absent: nothing is measured, in a page. */
  readonly keptTiles?: () => Promise<KeptTiles>
  readonly openWasm: (choice: WasmChoice) => Effect.Effect<OpenedWasm, DeviceError, Scope.Scope>
  /** bytes; 0: unknown */
  readonly peakBytes: () => number
}

/** Which device is opened; "auto": WebGPU on a hardware GPU, else native, else wasm. */
export type DeviceChoice = "auto" | DeviceShape["backend"]

export interface DeviceOptions {
  /** CPU threads of native and wasm, at most 8; "auto", the default: the cores there are */
  readonly threads?: "auto" | number
  /** default true: wasm gives the same bits on every engine; false lets it fuse multiply-adds where the engine can */
  readonly deterministic?: boolean
}

type Opening = Effect.Effect<DeviceShape, DeviceError, Scope.Scope>

/** Attention keeps one buffer per sequence length on a GPU; 16 leaves eight lengths up to 128 tokens. */
const GPU_PAD_MULTIPLE = 16

/** Long enough that the wait for a read is a small part of it, short enough to watch and to interrupt. */
const GPU_STEPS_PER_READ = 8

const versionsIn = (runtime: Runtime) => ({ tfjs: tf.version_core, runtime: runtime.name })

/** A device without a GPU: nothing is asynchronous, so an error is thrown where it happens. */
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

/** A device is what it is open as: a process has one wasm memory, and opening it again gives its kernels. */
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

/** The engine and its programs, a third of what a page would load: only where a GPU is opened. */
const webgpuDevice = Effect.tryPromise({
  try: () => import("./webgpu.ts"),
  catch: (cause) => webgpuFailure(`its programs could not be loaded: ${messageOf(cause)}`)
})

const openGpu = (runtime: Runtime, adapter: GPUAdapter): Opening =>
  Effect.map(
    Effect.flatMap(webgpuDevice, ({ openWebgpu }) => openWebgpu({ adapter, keptTiles: runtime.keptTiles })),
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

/** What `auto` comes to. */
export interface Automatic {
  readonly device: "webgpu" | "native" | "wasm"
  /** a clause: "the only GPU adapter is …" */
  readonly because: string
  readonly open: (options: Required<DeviceOptions>) => Opening
}

const emulated = (name: string): string =>
  `the only GPU adapter, ${name}, is emulated on the CPU, which has better uses`

/** The hardware GPU, or why there is none. */
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

/** What `auto` takes, and why. It never fails: there is always wasm. */
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

/** The device, whose description has one more notice. */
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

/** Opens a device for the length of the scope. Fails with what is missing and what to do about it. */
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

/** Opens a device and never closes it. Rejects with a DeviceError, and leaves tfjs as it was. */
type Install<Options = DeviceOptions> = (choice?: DeviceChoice, options?: Options) => Promise<DeviceDescription>

export const installer =
  <Options = DeviceOptions>(layerOf: LayerOf<Options>): Install<Options> =>
  (choice = "auto", options) =>
    Layer.buildWithScope(layerOf(choice, options), Scope.makeUnsafe()).pipe(
      Effect.map((context) => Context.get(context, Device).describe()),
      Effect.runPromise
    )
