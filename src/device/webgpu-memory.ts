/**
 * Manages GPU memory: rejects buffers that no kernel could bind, and frees unused ones.
 *
 * tfjs keeps every released buffer, by its exact size, and destroys none:
 * after 400 shapes there are idle buffers of 400 sizes. This file destroys idle buffers, those idle for the longest first, as
 * soon as the allocated bytes exceed
 *
 *   (1 + SLACK) · the recent peak of bytes in use + FLOOR
 *
 * The recent peak is used instead of the current use: between two steps nearly all buffers of the next one are idle, and
 * creating them again each time would make steps slow. "Recent" means the last 256 to 512 submits, about ten steps of a
 * small model.
 *
 * Of the idle buffers of one size, the oldest is reused first. tfjs reuses the one released last, and so assigns
 * buffers in a different order in every step; with a stable order, the bind groups of one step can be reused in the next
 * (`src/kernels/webgpu/recorder.ts`).
 *
 * Runs right after a submit only, when no recorded command can be waiting for an idle buffer: WebGPU destroys a buffer after
 * all submitted work that uses it has completed.
 */
import { bindingLimitOf, setBindingLimit, type WebgpuBackend } from "../kernels/webgpu/index.ts"
import { DeviceError } from "./device-error.ts"

const SLACK = 0.25
const FLOOR = 32 * 2 ** 20
/** Number of submits over which the peak is measured; it is kept for as many again while the next ones are counted. */
const WINDOW = 256

/** Memory of a GPU device. */
export interface GpuMemory {
  /** peak number of bytes allocated */
  readonly peakBytes: () => number
  /** maximum number of bytes that would remain allocated after a submit now */
  readonly bound: () => number
}

/** State of a buffer. */
interface Known {
  /** rank in order of creation */
  readonly age: number
  /** the list to which it returns when it is idle */
  readonly home: Array<GPUBuffer>
  /** number of submits before it was released; undefined: in use */
  idleSince: number | undefined
}

/**
 * Trims the backend's idle buffers after each of its submits. tfjs's own lists of idle buffers are kept, by size and usage, with numeric keys
 * instead of strings, and buffers in use are not searched for: a step requests about two hundred.
 */
export const manageMemory = (backend: WebgpuBackend): GpuMemory => {
  const manager = backend.bufferManager
  const known = new WeakMap<GPUBuffer, Known>()
  /** idle buffers by usage, then by size */
  const homes = new Map<number, Map<number, Array<GPUBuffer>>>()
  let made = 0
  let submits = 0
  let peak = 0
  let mostInUse = 0
  let mostInUseBefore = 0

  const homeOf = (size: number, usage: number): Array<GPUBuffer> => {
    let ofUsage = homes.get(usage)
    if (ofUsage === undefined) {
      ofUsage = new Map()
      homes.set(usage, ofUsage)
    }
    let home = ofUsage.get(size)
    if (home === undefined) {
      home = []
      ofUsage.set(size, home)
      manager.freeBuffers.set(`${size}_${usage}`, home)
    }
    return home
  }
  const make = (size: number, usage: number, mappedAtCreation: boolean, home: Array<GPUBuffer>): GPUBuffer => {
    const buffer = backend.device.createBuffer({ size, usage, mappedAtCreation })
    known.set(buffer, { age: made++, home, idleSince: undefined })
    // cached, so that reading it does not query the driver
    Object.defineProperties(buffer, { size: { value: size }, usage: { value: usage } })
    manager.numBytesAllocated += size
    return buffer
  }
  manager.acquireBuffer = (size, usage, mappedAtCreation = false, reuse = true) => {
    const home = homeOf(size, usage)
    let buffer = reuse ? home.pop() : undefined
    if (buffer === undefined) buffer = make(size, usage, mappedAtCreation, home)
    else {
      known.get(buffer)!.idleSince = undefined
      manager.numFreeBuffers--
    }
    manager.numBytesUsed += size
    peak = Math.max(peak, manager.numBytesAllocated)
    mostInUse = Math.max(mostInUse, manager.numBytesUsed)
    return buffer
  }
  manager.releaseBuffer = (buffer, reuse = true) => {
    const record = known.get(buffer)
    if (record === undefined || record.idleSince !== undefined)
      throw new Error("webgpu: a buffer was given back that is not in use")
    record.idleSince = submits
    manager.numBytesUsed -= buffer.size
    if (!reuse) {
      buffer.destroy()
      manager.numBytesAllocated -= buffer.size
      return
    }
    manager.numFreeBuffers++
    // the oldest is taken first, from the end
    const { home } = record
    let at = home.length
    while (at > 0 && known.get(home[at - 1]!)!.age < record.age) {
      home[at] = home[at - 1]!
      at--
    }
    home[at] = buffer
  }

  const bound = () => Math.max(mostInUse, mostInUseBefore) * (1 + SLACK) + FLOOR

  const trim = () => {
    const excess = manager.numBytesAllocated - bound()
    if (excess > 0) destroyIdle(manager, excess, (buffer) => known.get(buffer)?.idleSince ?? 0)
  }

  const { submitQueue } = backend
  backend.submitQueue = () => {
    submitQueue.call(backend)
    submits++
    if (submits % WINDOW === 0) {
      mostInUseBefore = mostInUse
      mostInUse = manager.numBytesUsed
    }
    trim()
  }
  return { peakBytes: () => peak, bound }
}

/** Destroys idle buffers in the order of `idleSince` until `bytes` are free, and updates tfjs's counts. */
const destroyIdle = (
  manager: WebgpuBackend["bufferManager"],
  bytes: number,
  idleSince: (buffer: GPUBuffer) => number
): void => {
  const idle = [...manager.freeBuffers.values()].flat().sort((a, b) => idleSince(a) - idleSince(b))
  const doomed = new Set<GPUBuffer>()
  let freed = 0
  for (const buffer of idle) {
    if (freed >= bytes) break
    doomed.add(buffer)
    freed += buffer.size
  }
  for (const buffers of manager.freeBuffers.values()) {
    const left = buffers.filter((buffer) => !doomed.has(buffer))
    // in place: buffers return to the list that they belong to
    if (left.length < buffers.length) buffers.splice(0, buffers.length, ...left)
  }
  for (const buffer of doomed) buffer.destroy()
  manager.numFreeBuffers -= doomed.size
  manager.numBytesAllocated -= freed
}

/** Throws, since tensor code cannot fail otherwise; `ofDevice` converts it to a failure. */
const tooLarge = (reason: string) =>
  new DeviceError({
    device: "webgpu",
    site: "memory of this GPU",
    reason,
    remedy: "use a smaller batch, model.weights f16 or int8, or --device wasm"
  })

/** Throws if `bytes` exceeds the size of a binding. WebGPU reports this too, but later, and drops other submitted work. */
export const refuseUnbindable = (backend: WebgpuBackend, bytes: number): void => {
  const limit = bindingLimitOf(backend)
  if (bytes > limit)
    throw tooLarge(
      `a tensor of ${bytes} bytes was asked for, but it binds at most ${limit} (maxStorageBufferBindingSize)`
    )
}

/**
 * Checks sizes in the backend's allocation and binding; tfjs checks none, and its kernels would silently do nothing. An
 * output larger than a binding is rejected before it is allocated. Values from the host may be as large as a buffer, since a
 * table of embeddings is read in windows; binding all of one is rejected. `limit`: maximum bytes of a binding,
 * default: the device's own.
 */
export const guardBuffers = (
  backend: WebgpuBackend,
  limit = backend.device.limits.maxStorageBufferBindingSize
): void => {
  setBindingLimit(backend, limit)
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
