/** Counts what a process asks of WebGPU. Counting costs time: a process that counts is not one that is timed. */
import type { CountsResult } from "./measurement.ts"
import { labelOf, wrap } from "./wrapped.ts"

export interface Counters {
  /** since the last call */
  readonly take: () => CountsResult
  /** sizes of the buffers that exist */
  readonly allocatedBytes: () => number
  /** the largest sum so far */
  readonly peakBytes: () => number
}

const nothing = () => ({
  dispatches: {} as Record<string, number>,
  submits: 0,
  bindGroups: 0,
  uploads: 0,
  uploadedBytes: 0,
  reads: 0,
  readBytes: 0
})

/** `size` is in elements of a typed array, and in bytes of anything else. */
const writtenBytes = (data: AllowSharedBufferSource, offset = 0, size?: number): number => {
  const each = "BYTES_PER_ELEMENT" in data ? (data as Uint8Array).BYTES_PER_ELEMENT : 1
  return size === undefined ? data.byteLength - each * offset : each * size
}

/** Counts from now on, for the rest of the process. */
export const startCounting = (): Counters => {
  let counts = nothing()
  let allocated = 0
  let peak = 0
  const sizes = new WeakMap<GPUBuffer, number>()
  const running = new WeakMap<GPUComputePassEncoder, string>()

  wrap(
    GPUDevice,
    "createBuffer",
    (inner) =>
      function (descriptor) {
        const buffer = inner.call(this, descriptor)
        sizes.set(buffer, descriptor.size)
        allocated += descriptor.size
        peak = Math.max(peak, allocated)
        if (descriptor.mappedAtCreation === true) {
          counts.uploads++
          counts.uploadedBytes += descriptor.size
        }
        return buffer
      }
  )
  wrap(
    GPUBuffer,
    "destroy",
    (inner) =>
      function () {
        allocated -= sizes.get(this) ?? 0
        sizes.delete(this)
        return inner.call(this)
      }
  )
  wrap(
    GPUBuffer,
    "mapAsync",
    (inner) =>
      function (mode, offset, size) {
        if (mode === GPUMapMode.READ) {
          counts.reads++
          counts.readBytes += size ?? this.size - (offset ?? 0)
        }
        return inner.call(this, mode, offset, size)
      }
  )
  wrap(
    GPUQueue,
    "writeBuffer",
    (inner) =>
      function (buffer, at, data, offset, size) {
        counts.uploads++
        counts.uploadedBytes += writtenBytes(data, offset, size)
        return inner.call(this, buffer, at, data, offset, size)
      }
  )
  wrap(
    GPUQueue,
    "submit",
    (inner) =>
      function (buffers) {
        counts.submits++
        return inner.call(this, buffers)
      }
  )
  wrap(
    GPUDevice,
    "createBindGroup",
    (inner) =>
      function (descriptor) {
        counts.bindGroups++
        return inner.call(this, descriptor)
      }
  )
  wrap(
    GPUComputePassEncoder,
    "setPipeline",
    (inner) =>
      function (pipeline) {
        running.set(this, labelOf(pipeline))
        return inner.call(this, pipeline)
      }
  )
  wrap(
    GPUComputePassEncoder,
    "dispatchWorkgroups",
    (inner) =>
      function (x, y, z) {
        const label = running.get(this)!
        counts.dispatches[label] = (counts.dispatches[label] ?? 0) + 1
        return inner.call(this, x, y, z)
      }
  )
  return {
    take: () => {
      const taken = counts
      counts = nothing()
      return taken
    },
    allocatedBytes: () => allocated,
    peakBytes: () => peak
  }
}
