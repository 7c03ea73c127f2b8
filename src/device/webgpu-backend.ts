/**
 * The private face of tfjs' webgpu backend that this folder uses, asserted at start-up, and two wrappers around its buffer
 * manager: one refuses buffers that no kernel could bind (tfjs checks nothing, and the kernels would silently do nothing),
 * the other remembers the largest amount of memory in use.
 */
import type { KernelBackend } from "@tensorflow/tfjs"
import { TFJS_VERSION } from "./wasm-backend.ts"

interface BufferManager {
  numBytesAllocated: number
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GPUBuffer
}

export interface WebgpuBackend extends KernelBackend {
  readonly device: GPUDevice
  readonly bufferManager: BufferManager
  readonly commandEncoder: GPUCommandEncoder | null
  endComputePassEncoder(): void
  submitQueue(): void
}

const FIELDS = ["device", "bufferManager", "commandEncoder", "endComputePassEncoder", "submitQueue"] as const

/** Narrows a backend to its private face. Throws an Error that lists every missing field. */
export const webgpuBackend = (backend: KernelBackend): WebgpuBackend => {
  const it = backend as WebgpuBackend
  const absent = FIELDS.filter((field) => it[field] === undefined)
  if (absent.length > 0 || typeof it.bufferManager.acquireBuffer !== "function") {
    throw new Error(
      `tfjs' webgpu backend lacks ${absent.join(", ") || "bufferManager.acquireBuffer"}: expected @tensorflow/tfjs-backend-webgpu ${TFJS_VERSION}, install exactly that version`
    )
  }
  return it
}

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
