/**
 * GPU memory: what no kernel could bind is refused, and what no one uses is given back.
 *
 * tfjs keeps every buffer that was ever given back, by its exact size, and destroys none:
 * after 400 shapes, 400 sizes lie idle. Here idle buffers are destroyed, those first that were idle for the longest, as
 * soon as more is allocated than
 *
 *   (1 + SLACK) · the most that was in use lately + FLOOR
 *
 * Not than is in use now: between two steps nearly all of what the next one needs lies idle, and a step that had to
 * make its buffers anew each time would be a slow one. "Lately" is the last 256 to 512 submits, some ten steps of a
 * small model.
 *
 * Of idle buffers of one size the oldest is handed out first. tfjs hands out the one that came back last, and so gives
 * every step its buffers in another order; in the same order, the bind groups of one step serve the next
 * (`src/kernels/webgpu/recorder.ts`).
 *
 * Only right after a submit, when no recorded command can be waiting for an idle buffer: WebGPU destroys a buffer after
 * what was submitted has used it.
 */
import { bindingLimitOf, setBindingLimit, type WebgpuBackend } from "../kernels/webgpu/index.ts"
import { DeviceError } from "./device-error.ts"

const SLACK = 0.25
const FLOOR = 32 * 2 ** 20
/** Submits that the most in use is remembered for; and as many again while the next ones are counted. */
const WINDOW = 256

export interface GpuMemory {
  /** the largest number of bytes allocated so far */
  readonly peakBytes: () => number
  /** the bytes that would be left allocated after a submit now, at most */
  readonly bound: () => number
}

/** What is kept of a buffer. */
interface Known {
  /** in the order of their making */
  readonly age: number
  /** where it lies when it is idle */
  readonly home: Array<GPUBuffer>
  /** the submits before it was given back; undefined: it is in use */
  idleSince: number | undefined
}

/**
 * Trims the backend's idle buffers from here on, after each of its submits. tfjs' own lists of idle buffers are kept, by size and usage; they
 * are found by numbers here, not by a text, and what is in use is not looked for among all that is: a step asks some two hundred times.
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
    // so that no one who asks need ask the driver
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
    const own = known.get(buffer)
    if (own === undefined || own.idleSince !== undefined)
      throw new Error("webgpu: a buffer was given back that is not in use")
    own.idleSince = submits
    manager.numBytesUsed -= buffer.size
    if (!reuse) {
      buffer.destroy()
      manager.numBytesAllocated -= buffer.size
      return
    }
    manager.numFreeBuffers++
    // the oldest is taken first, from the end
    const { home } = own
    let at = home.length
    while (at > 0 && known.get(home[at - 1]!)!.age < own.age) {
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

/** Destroys idle buffers in the order of `idleSince` until `bytes` are free, and tfjs' books say so. */
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
    // in place: buffers go back to the list that they are of
    if (left.length < buffers.length) buffers.splice(0, buffers.length, ...left)
  }
  for (const buffer of doomed) buffer.destroy()
  manager.numFreeBuffers -= doomed.size
  manager.numBytesAllocated -= freed
}

/** Thrown, since tensor code has no other way out; `ofDevice` makes a failure of it. */
const tooLarge = (reason: string) =>
  new DeviceError({
    device: "webgpu",
    site: "memory of this GPU",
    reason,
    remedy: "use a smaller batch, model.weights f16 or int8, or --device wasm"
  })

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
