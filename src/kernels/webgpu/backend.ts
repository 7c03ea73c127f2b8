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

/** A tensor's record in the backend. */
export interface TensorData {
  dtype: DataType
  shape: ReadonlyArray<number>
  /** values on the host, if the tensor was never uploaded or has been read */
  values: unknown
  refCount: number
  resource: GPUBuffer | null
}

interface TensorMap {
  has(id: DataId): boolean
  get(id: DataId): TensorData
}

/** tfjs's webgpu backend with the private fields that the device uses. */
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

/** A kernel of this backend. */
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

/** Narrows a backend to its private fields. Throws an Error that lists every missing field. */
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
      `tfjs' webgpu backend lacks ${absent.join(", ")}: install @tensorflow/tfjs-backend-webgpu ${TFJS_VERSION}`
    )
  }
  return it
}

/** Returns the usage with which tfjs creates the buffer of a tensor. */
export const TENSOR_USAGE = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST

/** Submits the commands that tfjs has collected. */
export const submitPending = (backend: WebgpuBackend): void => {
  if (backend.commandEncoder === null) return
  backend.endComputePassEncoder()
  backend.submitQueue()
}

const bindingLimits = new WeakMap<WebgpuBackend, number>()

/** Sets the result of `bindingLimitOf`. For the device that guards the backend's buffers. */
export const setBindingLimit = (backend: WebgpuBackend, bytes: number): void => void bindingLimits.set(backend, bytes)

/** Returns the maximum bytes of a tensor, or of a part of it, that a program can bind. */
export const bindingLimitOf = (backend: WebgpuBackend): number =>
  bindingLimits.get(backend) ?? backend.device.limits.maxStorageBufferBindingSize
