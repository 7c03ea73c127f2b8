/**
 * Tensors that share one GPU buffer: windows of an arena, which lives as long as one of them. To tfjs a window is a tensor like any
 * other; the three places where its webgpu backend takes a tensor for a whole buffer (binding, reading, releasing) are wrapped here.
 */
import type { DataId, TensorInfo } from "@tensorflow/tfjs-core"
import { submitPending, TENSOR_USAGE, type TensorData, type WebgpuBackend } from "./backend.ts"
import { ARENA_ALIGNMENT, type Arena, type Layout, layoutOf, type Span } from "./engine.ts"

/** A span with its GPU buffer. */
export interface BufferSpan extends Span {
  readonly buffer: GPUBuffer
}

interface StoredArena {
  readonly buffer: GPUBuffer
  /** how many of its tensors live */
  users: number
  /** its tensors, and where each begins, in elements */
  readonly members: ReadonlyArray<DataId>
  readonly starts: ReadonlyArray<number>
  /** elements */
  readonly size: number
}

/** Part of a tensor's data where it is a window. */
interface Window {
  /** bytes */
  readonly offset: number
  readonly size: number
  readonly arena: StoredArena
  /** among the arena's tensors */
  readonly index: number
}

type MaybeWindow = TensorData & { window?: Window | undefined }

const WORD = 4
const sizeOf = ({ shape }: TensorInfo): number => shape.reduce((product, n) => product * n, 1)

/** Memory of tensors on the GPU. */
export interface Arenas {
  /** Returns a tensor's bytes on the GPU, after uploading them if necessary. */
  readonly spanOf: (tensor: TensorInfo) => BufferSpan
  /** Returns a new tensor with a separate buffer. */
  readonly output: (shape: ReadonlyArray<number>, dtype: "float32" | "int32") => TensorInfo
  /** Allocates memory that belongs to no tensor. */
  readonly scratch: (elements: number) => BufferSpan
  readonly release: (span: Span) => void
  readonly outputs: (
    shapes: ReadonlyArray<ReadonlyArray<number>>
  ) => Arena & { readonly tensors: ReadonlyArray<TensorInfo> }
  readonly together: (tensors: ReadonlyArray<TensorInfo>) => Arena
  readonly settled: (tensors: ReadonlyArray<TensorInfo>) => Arena
}

/** Creates the memory of a backend's tensors. */
export const arenasOf = (backend: WebgpuBackend): Arenas => {
  const dataOf = (id: DataId): MaybeWindow => backend.tensorMap.get(id)
  wrap(backend, dataOf)
  const usage = TENSOR_USAGE()
  const acquire = (size: number): GPUBuffer => backend.bufferManager.acquireBuffer(size, usage)

  const spanOf = ({ dataId }: TensorInfo): BufferSpan => {
    const data = dataOf(dataId)
    if ((data.resource ?? null) === null) backend.uploadToGPU(dataId)
    const { resource, window } = data
    return window === undefined
      ? { buffer: resource!, offset: 0, size: resource!.size }
      : { buffer: resource!, offset: window.offset, size: window.size }
  }
  const output: Arenas["output"] = (shape, dtype) => {
    const info = backend.makeTensorInfo(shape, dtype)
    dataOf(info.dataId).resource = acquire(WORD * sizeOf(info))
    return info
  }
  const owned = new WeakSet<Span>()
  const scratch = (elements: number): BufferSpan => {
    const size = WORD * elements
    const span = { buffer: acquire(size), offset: 0, size }
    owned.add(span)
    return span
  }
  const release = (span: Span): void => {
    if (owned.delete(span)) backend.bufferManager.releaseBuffer(span.buffer as GPUBuffer)
  }

  /** Tensors become windows of a buffer, which has room for them. */
  const windows = (tensors: ReadonlyArray<TensorInfo>, buffer: GPUBuffer, { starts, elements }: Layout): void => {
    const members = tensors.map(({ dataId }) => dataId)
    const arena = { buffer, users: members.length, members, starts, size: elements }
    for (const [index, tensor] of tensors.entries()) {
      const data = dataOf(tensor.dataId)
      data.resource = buffer
      data.window = { offset: WORD * starts[index]!, size: WORD * sizeOf(tensor), arena, index }
    }
  }

  const outputs: Arenas["outputs"] = (shapes) => {
    const tensors = shapes.map((shape) => backend.makeTensorInfo(shape, "float32"))
    const layout = layoutOf(tensors.map(sizeOf))
    const size = WORD * layout.elements
    const buffer = acquire(size)
    windows(tensors, buffer, layout)
    return { tensors, starts: layout.starts, span: { buffer, offset: 0, size } }
  }

  /** Tensors that an arena has one after the other: as most lists are, for they were made as one. */
  const asMade = (tensors: ReadonlyArray<TensorInfo>): (Arena & { readonly span: BufferSpan }) | undefined => {
    const first = tensors.length === 0 ? undefined : dataOf(tensors[0]!.dataId).window
    if (first === undefined) return undefined
    const { arena, index, offset } = first
    const end = index + tensors.length
    for (let i = index; i < end; i++) if (arena.members[i] !== tensors[i - index]!.dataId) return undefined
    const starts = arena.starts.slice(index, end)
    const [start, stop] = [starts[0]!, arena.starts[end] ?? arena.size]
    return {
      span: { buffer: arena.buffer, offset, size: WORD * (stop - start) },
      starts: start === 0 ? starts : starts.map((at) => at - start)
    }
  }

  const together: Arenas["together"] = (tensors) => {
    const known = asMade(tensors)
    if (known !== undefined) return known
    const { starts, elements } = layoutOf(tensors.map(sizeOf))
    const spans = tensors.map(spanOf)
    const runs = runsOf(spans, starts)
    const [first] = spans
    const size = WORD * elements
    // the padding after the last tensor belongs to the arena too
    if (
      runs.length === 1 &&
      first!.offset % (WORD * ARENA_ALIGNMENT) === 0 &&
      first!.offset + size <= first!.buffer.size
    )
      return { span: { buffer: first!.buffer, offset: first!.offset, size }, starts }
    const span = scratch(elements)
    backend.ensureCommandEncoderReady()
    backend.endComputePassEncoder()
    for (const { from, at, bytes } of runs)
      backend.commandEncoder!.copyBufferToBuffer(from.buffer, from.offset, span.buffer, at, bytes)
    return { span, starts }
  }
  const settled: Arenas["settled"] = (tensors) => {
    const { span, starts } = together(tensors)
    if (!owned.delete(span)) return { span, starts } // they lie like that already
    // the copy is recorded: any later use of the buffers comes after it
    for (const { dataId } of tensors) backend.releaseResource(dataId)
    windows(tensors, span.buffer as GPUBuffer, { starts, elements: span.size / WORD })
    return { span, starts }
  }
  return { spanOf, output, scratch, release, outputs, together, settled }
}

interface Run {
  readonly from: BufferSpan
  /** bytes: where to */
  readonly at: number
  readonly bytes: number
}

/** What can be copied at once: tensors that are in one buffer as they would be in an arena. */
const runsOf = (spans: ReadonlyArray<BufferSpan>, starts: ReadonlyArray<number>): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const [i, span] of spans.entries()) {
    const at = WORD * starts[i]!
    const last = runs.at(-1)
    if (last !== undefined && last.from.buffer === span.buffer && span.offset - last.from.offset === at - last.at)
      runs[runs.length - 1] = { ...last, bytes: at - last.at + span.size }
    else runs.push({ from: span, at, bytes: span.size })
  }
  return runs
}

const wrap = (backend: WebgpuBackend, dataOf: (id: DataId) => MaybeWindow): void => {
  const { releaseResource, tensorToBinding, read } = backend
  backend.releaseResource = (id) => {
    const data = backend.tensorMap.has(id) ? dataOf(id) : undefined
    if (data?.window === undefined) return releaseResource.call(backend, id)
    const { arena } = data.window
    data.window = undefined
    data.resource = null
    if (--arena.users === 0) backend.bufferManager.releaseBuffer(arena.buffer)
  }
  backend.tensorToBinding = (tensor) => {
    const data = tensor === undefined ? undefined : dataOf(tensor.dataId)
    if (data?.window === undefined) return tensorToBinding.call(backend, tensor)
    return { buffer: data.resource!, offset: data.window.offset, size: data.window.size }
  }
  backend.read = async (id) => {
    const data = backend.tensorMap.has(id) ? dataOf(id) : undefined
    if (data?.window === undefined || (data.values ?? null) !== null) return read.call(backend, id)
    const { offset, size } = data.window
    const staging = backend.bufferManager.acquireBuffer(size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ)
    backend.ensureCommandEncoderReady()
    backend.endComputePassEncoder()
    backend.commandEncoder!.copyBufferToBuffer(data.resource!, offset, staging, 0, size)
    submitPending(backend)
    await staging.mapAsync(GPUMapMode.READ)
    const values = new Float32Array(staging.getMappedRange().slice(0))
    staging.unmap()
    backend.bufferManager.releaseBuffer(staging)
    data.values = values // as tfjs does
    return values
  }
}
