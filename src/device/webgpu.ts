/**
 * Opens tfjs's webgpu backend on a device with the adapter's limits and features instead of the defaults, with error
 * tracking (`webgpu-errors.ts`), and with matrix products whose results are bitwise reproducible.
 *
 * This file and its own imports are loaded when a webgpu device is opened (`open.ts`): a page without a GPU never fetches them.
 */
import * as tf from "@tensorflow/tfjs-core"
import { messageOf } from "../boundary/index.ts"
import {
  DISPATCHES_PER_SUBMIT,
  type InstalledWebgpuEngine,
  installWebgpuEngine,
  installWebgpuKernels,
  submitPending,
  type WebgpuBackend,
  webgpuBackend
} from "../kernels/webgpu/index.ts"
import { DeviceError } from "./device-error.ts"
import { onePerProcess, useBackend } from "./one-per-process.ts"
import { importWebgpuBackend } from "./register.ts"
import { openTiles, type TileStore } from "./tile-plan.ts"
import { FEATURES, isSoftware, nameOfAdapter, webgpuFailure } from "./webgpu-adapter.ts"
import { type GpuErrors, watchGpuErrors } from "./webgpu-errors.ts"
import { guardBuffers, manageMemory, refuseUnbindable } from "./webgpu-memory.ts"

/** Limits that tfjs and this package's kernels need beyond WebGPU's defaults; requested at the adapter's values. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupsPerDimension"
] as const

/** tfjs's automatic choice sums long products with atomics, in any order; the tiled program (3) is bitwise reproducible. */
const TILED_MATMUL = 3

/** An opened webgpu backend. */
export interface OpenedWebgpu {
  readonly device: GPUDevice
  readonly adapter: string
  readonly software: boolean
  /** how products choose their tiles; undefined if they use none */
  readonly tiles: string | undefined
  readonly errors: GpuErrors
  readonly peakBytes: () => number
  readonly installed: InstalledWebgpuEngine
  /** restores tfjs's own kernels */
  readonly uninstallKernels: () => void
}

/** Options of the webgpu backend. */
export interface WebgpuOptions {
  readonly adapter: GPUAdapter
  /** absent if measurements cannot be stored between processes */
  readonly tileStore?: (() => Promise<TileStore>) | undefined
}

const open = async ({ adapter, tileStore }: WebgpuOptions): Promise<OpenedWebgpu> => {
  const software = isSoftware(adapter.info)
  const store = software ? undefined : await tileStore?.()
  const wanted = store?.wanted() // refused before anything is opened
  const { WebGPUBackend } = await importWebgpuBackend()
  tf.env().set("WEBGPU_MATMUL_PROGRAM_TYPE", TILED_MATMUL)
  // tfjs's default of 15 also counts this package's dispatches
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", DISPATCHES_PER_SUBMIT)
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)) as Array<GPUFeatureName>,
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]))
  })
  const backend = webgpuBackend(new WebGPUBackend(device, adapter.info))
  const { peakBytes } = manageMemory(backend)
  guardBuffers(backend)
  const errors = watchGpuErrors(device, () => submitPending(backend))
  await useBackend("webgpu", backend)
  const installed = installWebgpuEngine(backend, { software, refuseUnbindable })
  explainReads(backend, errors)
  const uninstallKernels = installWebgpuKernels()
  const worked = async () => (await errors.settle()) === undefined
  const tiles = await openTiles({ engine: installed.engine, backend, adapter: adapter.info, wanted, worked }, store)
  return {
    device,
    adapter: nameOfAdapter(adapter.info),
    software,
    tiles,
    errors,
    peakBytes,
    installed,
    uninstallKernels
  }
}

/** Explains failed reads: a lost device rejects them without a reason. */
const explainReads = (backend: WebgpuBackend, errors: GpuErrors): void => {
  const { read } = backend
  backend.read = (id) =>
    read.call(backend, id).catch(async (cause) => {
      throw (await errors.explain()) ?? cause
    })
}

/** Opens the backend on an adapter and makes it tfjs's current one; closing the scope destroys the GPU device. */
export const openWebgpu = onePerProcess<WebgpuOptions, OpenedWebgpu, DeviceError>(
  {
    backend: "webgpu",
    open,
    close: ({ errors, installed, uninstallKernels }) => {
      errors.stop()
      uninstallKernels()
      installed.uninstall()
    },
    closed: ({ device }) => device.destroy()
  },
  (cause) => (cause instanceof DeviceError ? cause : webgpuFailure(messageOf(cause)))
)
