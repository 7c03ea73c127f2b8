/**
 * Opens tfjs' webgpu backend on a device of our own: with the adapter's limits and features instead of the defaults, with the
 * errors watched (`webgpu-errors.ts`), and with matrix products that give the same bits twice.
 *
 * This file and all that it alone imports is loaded when a webgpu device opens (`open.ts`): a page without a GPU never fetches it.
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
import { type KeptTiles, openTiles } from "./tile-plan.ts"
import { FEATURES, isSoftware, nameOfAdapter, webgpuFailure } from "./webgpu-adapter.ts"
import { type GpuErrors, watchGpuErrors } from "./webgpu-errors.ts"
import { guardBuffers, manageMemory, refuseUnbindable } from "./webgpu-memory.ts"

/** What tfjs and our kernels need more of than WebGPU's defaults; the adapter's own values are asked for. */
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

/** tfjs' automatic choice adds up long products with atomics, in any order; the tiled program (3) gives the same bits twice. */
const TILED_MATMUL = 3

export interface OpenedWebgpu {
  readonly device: GPUDevice
  readonly adapter: string
  readonly software: boolean
  /** how products choose their tiles; undefined where they have none */
  readonly tiles: string | undefined
  readonly errors: GpuErrors
  readonly peakBytes: () => number
  readonly installed: InstalledWebgpuEngine
  /** gives tfjs' own kernels back */
  readonly uninstallKernels: () => void
}

export interface WebgpuOptions {
  readonly adapter: GPUAdapter
  /** absent where nothing can be kept from one process to the next */
  readonly keptTiles?: (() => Promise<KeptTiles>) | undefined
}

const open = async ({ adapter, keptTiles }: WebgpuOptions): Promise<OpenedWebgpu> => {
  const software = isSoftware(adapter.info)
  const kept = software ? undefined : await keptTiles?.()
  const wanted = kept?.wanted() // refused before anything is opened
  const { WebGPUBackend } = await importWebgpuBackend()
  tf.env().set("WEBGPU_MATMUL_PROGRAM_TYPE", TILED_MATMUL)
  // tfjs' default of 15 counts our dispatches too
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
  const tiles = await openTiles({ engine: installed.engine, backend, adapter: adapter.info, wanted, worked }, kept)
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

/** A device that was lost refuses to be read, and does not say why. */
const explainReads = (backend: WebgpuBackend, errors: GpuErrors): void => {
  const { read } = backend
  backend.read = (id) =>
    read.call(backend, id).catch(async (cause) => {
      throw (await errors.explain()) ?? cause
    })
}

/** Opens the backend on an adapter and makes it tfjs' current one; the scope's end destroys the GPU device. */
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
