/**
 * GPU memory that nobody uses. tfjs keeps every buffer that was ever given back, by its exact size, and destroys none:
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
 * (`webgpu-engine.ts`).
 *
 * Only right after a submit, when no recorded command can be waiting for an idle buffer: WebGPU destroys a buffer after
 * what was submitted has used it.
 */
import type { WebgpuBackend } from "./webgpu-backend.ts"

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

/** Trims the backend's idle buffers from here on, after each of its submits. */
export const manageMemory = (backend: WebgpuBackend): GpuMemory => {
  const manager = backend.bufferManager
  const idleSince = new WeakMap<GPUBuffer, number>()
  /** in the order of their making; a buffer says its own size and usage, but slowly */
  const known = new WeakMap<GPUBuffer, { readonly age: number; readonly key: string }>()
  let made = 0
  let submits = 0
  let peak = 0
  let mostInUse = 0
  let mostInUseBefore = 0

  const { acquireBuffer, releaseBuffer } = manager
  manager.acquireBuffer = (...options) => {
    const buffer = acquireBuffer.apply(manager, options)
    if (!known.has(buffer)) known.set(buffer, { age: made++, key: `${options[0]}_${options[1]}` })
    peak = Math.max(peak, manager.numBytesAllocated)
    mostInUse = Math.max(mostInUse, manager.numBytesUsed)
    return buffer
  }
  manager.releaseBuffer = (buffer, reuse) => {
    idleSince.set(buffer, submits)
    releaseBuffer.call(manager, buffer, reuse)
    const own = known.get(buffer)
    if (own === undefined || reuse === false) return
    // tfjs takes from the end, where it has just put this one
    const idle = manager.freeBuffers.get(own.key) ?? []
    let at = idle.length - 1
    while (at > 0 && known.get(idle[at - 1]!)!.age < own.age) {
      idle[at] = idle[at - 1]!
      at--
    }
    idle[at] = buffer
  }

  const bound = () => Math.max(mostInUse, mostInUseBefore) * (1 + SLACK) + FLOOR

  const trim = () => {
    const excess = manager.numBytesAllocated - bound()
    if (excess > 0) destroyIdle(manager, excess, (buffer) => idleSince.get(buffer) ?? 0)
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
  for (const [key, buffers] of manager.freeBuffers) {
    // an empty list stays: tfjs gives back into the list of a size, and expects it there
    if (buffers.some((buffer) => doomed.has(buffer)))
      manager.freeBuffers.set(
        key,
        buffers.filter((buffer) => !doomed.has(buffer))
      )
  }
  for (const buffer of doomed) buffer.destroy()
  manager.numFreeBuffers -= doomed.size
  manager.numBytesAllocated -= freed
}
