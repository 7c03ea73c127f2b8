/** The private face of tfjs' webgpu backend that we use, asserted at start-up. */
import type { DataId, DataType, KernelBackend, TensorInfo } from "@tensorflow/tfjs-core"
import type { Kernel as KernelOf } from "../replaced-kernels.ts"
import { TFJS_VERSION } from "../replaced-kernels.ts"

interface BufferManager {
  /** in use and idle */
  numBytesAllocated: number
  numBytesUsed: number
  numFreeBuffers: number
  /** idle buffers, by size and usage */
  readonly freeBuffers: Map<string, Array<GPUBuffer>>
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GPUBuffer
  releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void
}

/** What the backend keeps of a tensor. */
export interface TensorData {
  dtype: DataType
  shape: ReadonlyArray<number>
  /** on the host, if it was never uploaded or has been read */
  values: unknown
  refCount: number
  resource: GPUBuffer | null
}

interface TensorMap {
  has(id: DataId): boolean
  get(id: DataId): TensorData
}

export interface WebgpuBackend extends KernelBackend {
  readonly device: GPUDevice
  readonly queue: GPUQueue
  readonly bufferManager: BufferManager
  readonly tensorMap: TensorMap
  readonly commandEncoder: GPUCommandEncoder | null
  computePassEncoder: GPUComputePassEncoder | null
  dispatchCountInPass: number
  ensureCommandEncoderReady(): void
  endComputePassEncoder(): void
  submitQueue(): void
  makeTensorInfo(shape: ReadonlyArray<number>, dtype: DataType): TensorInfo
  uploadToGPU(id: DataId): void
  releaseResource(id: DataId): void
  tensorToBinding(tensor?: TensorInfo): GPUBindingResource | null
  read(id: DataId): Promise<Float32Array | Int32Array | Uint8Array>
}

export type Kernel = KernelOf<WebgpuBackend>

const FIELDS = [
  "device",
  "queue",
  "bufferManager",
  "tensorMap",
  "commandEncoder",
  "computePassEncoder",
  "dispatchCountInPass"
] as const
const METHODS = [
  "ensureCommandEncoderReady",
  "endComputePassEncoder",
  "submitQueue",
  "makeTensorInfo",
  "uploadToGPU",
  "releaseResource",
  "tensorToBinding",
  "read"
] as const

/** Narrows a backend to its private face. Throws an Error that lists every missing field. */
export const webgpuBackend = (backend: KernelBackend): WebgpuBackend => {
  const it = backend as WebgpuBackend
  const absent = [
    ...FIELDS.filter((field) => it[field] === undefined),
    ...METHODS.filter((method) => typeof it[method] !== "function"),
    ...(["numBytesAllocated", "numBytesUsed", "numFreeBuffers", "freeBuffers"] as const)
      .filter((field) => it.bufferManager?.[field] === undefined)
      .map((field) => `bufferManager.${field}`),
    ...(["acquireBuffer", "releaseBuffer"] as const)
      .filter((method) => typeof it.bufferManager?.[method] !== "function")
      .map((method) => `bufferManager.${method}`)
  ]
  if (absent.length > 0) {
    throw new Error(
      `tfjs' webgpu backend lacks ${absent.join(", ")}: expected @tensorflow/tfjs-backend-webgpu ${TFJS_VERSION}, install exactly that version`
    )
  }
  return it
}

/** How tfjs makes the buffer of a tensor. */
export const TENSOR_USAGE = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST

/** Submits the commands that tfjs collects. */
export const submitPending = (backend: WebgpuBackend): void => {
  if (backend.commandEncoder === null) return
  backend.endComputePassEncoder()
  backend.submitQueue()
}

const bindingLimits = new WeakMap<WebgpuBackend, number>()

/** For the device that guards the backend's buffers: what `bindingLimitOf` says from then on. */
export const setBindingLimit = (backend: WebgpuBackend, bytes: number): void => void bindingLimits.set(backend, bytes)

/** Bytes that a program can have of one tensor, or of one part of it. */
export const bindingLimitOf = (backend: WebgpuBackend): number =>
  bindingLimits.get(backend) ?? backend.device.limits.maxStorageBufferBindingSize
