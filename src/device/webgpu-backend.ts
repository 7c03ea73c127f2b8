/**
 * The private face of tfjs' webgpu backend that this folder uses, asserted at start-up, and two wrappers around its buffer
 * manager: one refuses buffers that no kernel could bind (tfjs checks nothing, and the kernels would silently do nothing),
 * the other remembers the largest amount of memory in use.
 */
import type { DataId, DataType, KernelBackend, TensorInfo } from "@tensorflow/tfjs"
import { TFJS_VERSION } from "./wasm-backend.ts"

interface BufferManager {
  numBytesAllocated: number
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

/** Wraps the backend's allocation. Returns a function that tells the largest number of bytes allocated so far. */
export const guardBuffers = (backend: WebgpuBackend): (() => number) => {
  const manager = backend.bufferManager
  const acquire = manager.acquireBuffer.bind(manager)
  const limit = backend.device.limits.maxStorageBufferBindingSize
  let peak = 0
  manager.acquireBuffer = (size, usage, mappedAtCreation, reuse) => {
    if (size > limit && (usage & GPUBufferUsage.STORAGE) !== 0) {
      throw new Error(
        `webgpu: a tensor of ${size} bytes was asked for, but this GPU binds at most ${limit} (maxStorageBufferBindingSize); use a smaller batch or --device wasm`
      )
    }
    const buffer = acquire(size, usage, mappedAtCreation, reuse)
    peak = Math.max(peak, manager.numBytesAllocated)
    return buffer
  }
  return () => peak
}
