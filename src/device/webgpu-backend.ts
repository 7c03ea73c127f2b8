/**
 * The private face of tfjs' webgpu backend that this folder uses, asserted at start-up, and the guard of its buffers:
 * what no kernel could bind is refused.
 */
import type { DataId, DataType, KernelBackend, TensorInfo } from "@tensorflow/tfjs"
import { DeviceError } from "./device-error.ts"
import type { Kernel as KernelOf } from "./replaced-kernels.ts"
import { TFJS_VERSION } from "./tfjs-version.ts"

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

/** Thrown, since tensor code has no other way out; `ofDevice` makes a failure of it. */
const tooLarge = (reason: string) =>
  new DeviceError({
    device: "webgpu",
    site: "memory of this GPU",
    reason,
    remedy: "use a smaller batch, model.weights f16 or int8, or --device wasm"
  })

const bindingLimits = new WeakMap<WebgpuBackend, number>()

/** Bytes that a program can have of one tensor, or of one part of it. */
export const bindingLimitOf = (backend: WebgpuBackend): number =>
  bindingLimits.get(backend) ?? backend.device.limits.maxStorageBufferBindingSize

/** Throws for what is larger than a binding. WebGPU says so too, but later, and drops what else was submitted. */
export const refuseUnbindable = (backend: WebgpuBackend, bytes: number): void => {
  const limit = bindingLimitOf(backend)
  if (bytes > limit)
    throw tooLarge(
      `a tensor of ${bytes} bytes was asked for, but it binds at most ${limit} (maxStorageBufferBindingSize)`
    )
}

/**
 * Wraps the backend's allocation and binding, of which tfjs checks nothing: its kernels would silently do nothing. An
 * output larger than a binding is refused before it is made. Values from the host may be as large as a buffer, for a
 * table of embeddings is read in windows; whatever would bind all of it is refused then. `limit`: bytes of a binding,
 * the device's own if left out.
 */
export const guardBuffers = (
  backend: WebgpuBackend,
  limit = backend.device.limits.maxStorageBufferBindingSize
): void => {
  bindingLimits.set(backend, limit)
  const { bufferManager: manager, tensorToBinding } = backend
  const acquire = manager.acquireBuffer.bind(manager)
  const largest = backend.device.limits.maxBufferSize
  manager.acquireBuffer = (size, usage, mappedAtCreation, reuse) => {
    // mapped: values from the host are written into it
    if ((usage & GPUBufferUsage.STORAGE) !== 0 && mappedAtCreation !== true) refuseUnbindable(backend, size)
    if (size > largest)
      throw tooLarge(`a tensor of ${size} bytes was asked for, but its buffers have at most ${largest} (maxBufferSize)`)
    return acquire(size, usage, mappedAtCreation, reuse)
  }
  backend.tensorToBinding = (tensor) => {
    const binding = tensorToBinding.call(backend, tensor)
    if (binding !== null && "buffer" in binding) refuseUnbindable(backend, binding.size ?? binding.buffer.size)
    return binding
  }
}
