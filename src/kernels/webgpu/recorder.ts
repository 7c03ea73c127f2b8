/**
 * The engine behind `src/kernels/webgpu/`: our own programs, recorded into the command encoder that tfjs's webgpu backend collects in.
 *
 * What makes a dispatch cheap (on the CPU, where a small model's step is spent): pipelines are found by the program object, bind groups
 * by the buffers they bind (a training step asks for the same ones again and again, and each is found by numbers alone), and the words of
 * all dispatches of a submit go up in one write, each dispatch pointing into it.
 *
 * Memory that is given back may be taken by the next program at once, submitted or not: commands of a queue run in their order, and what
 * is uploaded into a buffer that was used before goes through the same queue.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type BufferType, refuseOthers } from "../declaration.ts"
import { arenasOf, type BufferSpan } from "./arenas.ts"
import { submitPending, TENSOR_USAGE, type WebgpuBackend } from "./backend.ts"
import { provideWebgpuEngine, type Span, type WebgpuEngine } from "./engine.ts"
import { providePrograms } from "./loaded.ts"
import { MOST_PROGRAM_WORDS, type Program, type WordPlaces, wordPlaces, writeWords } from "./program.ts"
import * as programs from "./programs.ts"

/** Number of dispatches that are collected before they are submitted. */
export const DISPATCHES_PER_SUBMIT = 64
/** Bytes between the words of two dispatches: what an offset must be a multiple of, on every device. */
const STRIDE = 4 * MOST_PROGRAM_WORDS
/** Bind groups that are remembered; when there are more, all are forgotten. */
const MOST_BIND_GROUPS = 8192

/** What a program becomes on one device. */
interface Compiled {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  /** of its buffers, in the order of their bindings */
  readonly names: ReadonlyArray<string>
  readonly words: WordPlaces
  readonly groups: GroupsBy
}

/** Bind groups by the first span's number, then by the second's, and so on. */
type GroupsBy = Map<number, GroupsBy | GPUBindGroup>

/** An installed engine, and how to uninstall it. */
export interface InstalledWebgpuEngine {
  readonly engine: WebgpuEngine
  readonly uninstall: () => void
}

const countOf = (record: object): number => {
  let count = 0
  for (const _ in record) count++
  return count
}

const isTensor = (it: TensorInfo | Span): it is TensorInfo => "dataId" in it

/** Options of the engine. */
export interface EngineOptions {
  /** whether the GPU is emulated on a CPU */
  readonly software: boolean
  /** Throws if a binding of `bytes` is too large. WebGPU reports this later, and drops the rest of the submission. */
  readonly refuseUnbindable: (backend: WebgpuBackend, bytes: number) => void
}

/** Installs the engine on a backend. Call `uninstall` before the device is destroyed. */
export const installWebgpuEngine = (
  backend: WebgpuBackend,
  { software, refuseUnbindable }: EngineOptions
): InstalledWebgpuEngine => {
  const { device } = backend
  const arenas = arenasOf(backend)
  const words = wordsOf(backend)
  const compiled = new Map<Program, Compiled>()
  let bindGroups = 0
  const tables = new Map<string, BufferSpan>()
  const numberOf = spanNumbers()
  // asking the device each time is slow
  const mostGroups = device.limits.maxComputeWorkgroupsPerDimension

  const compile = (program: Program): Compiled => {
    const known = compiled.get(program)
    if (known !== undefined) return known
    const label = program.name
    const layout = device.createBindGroupLayout({
      label,
      entries: [
        words.entry,
        ...Object.values<BufferType>(program.buffers).map(({ writes }, i) => ({
          binding: i + 1,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: writes ? ("storage" as const) : ("read-only-storage" as const) }
        }))
      ]
    })
    const module = device.createShaderModule({ label, code: program.code })
    const it: Compiled = {
      layout,
      names: Object.keys(program.buffers),
      words: wordPlaces(program),
      groups: new Map(),
      pipeline: device.createComputePipeline({
        label,
        layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" }
      })
    }
    compiled.set(program, it)
    return it
  }

  const bindGroupOf = (
    program: Program,
    { layout, groups }: Compiled,
    spans: ReadonlyArray<BufferSpan>
  ): GPUBindGroup => {
    let at = groups
    let last = 0
    for (let i = 0; i < spans.length; i++) {
      last = numberOf(spans[i]!)
      if (i === spans.length - 1) break
      let next = at.get(last) as GroupsBy | undefined
      if (next === undefined) {
        next = new Map()
        at.set(last, next)
      }
      at = next
    }
    const known = at.get(last) as GPUBindGroup | undefined
    if (known !== undefined) return known
    refuseAliases(program, spans)
    for (const { size } of spans) refuseUnbindable(backend, size)
    const it = device.createBindGroup({
      label: program.name,
      layout,
      entries: [words.binding, ...spans.map((resource, i) => ({ binding: i + 1, resource }))]
    })
    at.set(last, it)
    if (++bindGroups > MOST_BIND_GROUPS) {
      for (const record of compiled.values()) record.groups.clear()
      bindGroups = 0
    }
    return it
  }

  const run: WebgpuEngine["run"] = (program, buffers, values, groups) => {
    const it = compile(program)
    // as many as are declared, and none of these absent: else the message says which
    if (countOf(buffers) !== it.names.length) refuseOthers(program.name, "buffers", program.buffers, buffers)
    if (countOf(values) !== it.words.names.length || !writeWords(it.words, values, groups, words.next()))
      refuseOthers(program.name, "words", program.words, values)
    // uploads end the pass
    const spans: Array<BufferSpan> = []
    for (const name of it.names) {
      const bound: TensorInfo | Span | undefined = buffers[name as keyof typeof buffers]
      if (typeof bound !== "object" || bound === null) refuseOthers(program.name, "buffers", program.buffers, buffers)
      else spans.push(isTensor(bound) ? arenas.spanOf(bound) : (bound as BufferSpan))
    }
    if (groups === 0) return
    const group = bindGroupOf(program, it, spans)
    backend.ensureCommandEncoderReady()
    backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass({ label: program.name })
    const pass = backend.computePassEncoder
    pass.setPipeline(it.pipeline)
    pass.setBindGroup(0, group, words.take())
    const [x, y] = gridOf(groups, mostGroups)
    pass.dispatchWorkgroups(x, y)
    if (++backend.dispatchCountInPass >= DISPATCHES_PER_SUBMIT || words.full()) submitPending(backend)
  }

  const table: WebgpuEngine["table"] = (key, make) => {
    const known = tables.get(key)
    if (known !== undefined) return known
    const numbers = make()
    const size = Math.max(4, numbers.byteLength)
    const buffer = device.createBuffer({ label: key.slice(0, 60), size, usage: TENSOR_USAGE(), mappedAtCreation: true })
    new Uint32Array(buffer.getMappedRange()).set(numbers)
    buffer.unmap()
    const span = { buffer, offset: 0, size }
    tables.set(key, span)
    return span
  }

  const engine: WebgpuEngine = {
    limits: device.limits,
    mostNumbers: Math.floor(device.limits.maxStorageBufferBindingSize / 4),
    software,
    output: (shape, dtype = "float32") => arenas.output(shape, dtype),
    dispose: ({ dataId }) => {
      backend.disposeData(dataId)
    },
    outputs: arenas.outputs,
    scratch: arenas.scratch,
    together: arenas.together,
    settled: arenas.settled,
    release: arenas.release,
    table,
    run
  }
  providePrograms(programs)
  provideWebgpuEngine(backend, engine)
  return {
    engine,
    uninstall: () => {
      provideWebgpuEngine(backend, undefined)
      for (const { buffer } of tables.values()) buffer.destroy()
      words.destroy()
    }
  }
}

/**
 * WebGPU refuses them too, but without the program's name, and drops what else was submitted with it. Two parts of one buffer may be written.
 */
const refuseAliases = ({ name, buffers }: Program, spans: ReadonlyArray<BufferSpan>): void => {
  const names = Object.keys(buffers)
  const writes = (i: number) => buffers[names[i]!]!.writes
  for (const [i, writtenSpan] of spans.entries()) {
    if (!writes(i)) continue
    const other = spans.findIndex(
      (span, j) => j !== i && span.buffer === writtenSpan.buffer && !(writes(j) && areApart(span, writtenSpan))
    )
    if (other >= 0) throw new Error(`webgpu: ${name}: ${names[i]}, which it writes, overlaps ${names[other]}`)
  }
}

const areApart = (a: BufferSpan, b: BufferSpan): boolean =>
  a.offset + a.size <= b.offset || b.offset + b.size <= a.offset

/** A number for each span of the device's buffers, the same for the same bytes. */
const spanNumbers = () => {
  /** by offset, then by size */
  const ofBuffers = new WeakMap<GPUBuffer, Map<number, Map<number, number>>>()
  let next = 0
  return ({ buffer, offset, size }: BufferSpan): number => {
    let offsets = ofBuffers.get(buffer)
    if (offsets === undefined) {
      offsets = new Map()
      ofBuffers.set(buffer, offsets)
    }
    let sizes = offsets.get(offset)
    if (sizes === undefined) {
      sizes = new Map()
      offsets.set(offset, sizes)
    }
    let sizeIndex = sizes.get(size)
    if (sizeIndex === undefined) {
      sizeIndex = next++
      sizes.set(size, sizeIndex)
    }
    return sizeIndex
  }
}

/** `groups` workgroups in a grid of two dimensions, a few more where they do not fill it. */
const gridOf = (groups: number, most: number): readonly [number, number] => {
  if (groups <= most) return [groups, 1]
  const rows = Math.ceil(groups / most)
  return [Math.ceil(groups / rows), rows]
}

/** The words of the dispatches of one submit. */
const wordsOf = (backend: WebgpuBackend) => {
  const { device, queue } = backend
  const label = "words"
  // tfjs' own dispatches count for a submit too, so there are never more of ours; a submit by somebody else only comes earlier
  const buffer = device.createBuffer({
    label,
    size: STRIDE * DISPATCHES_PER_SUBMIT,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST
  })
  const host = new Uint32Array((STRIDE * DISPATCHES_PER_SUBMIT) / 4)
  let used = 0
  const submit = backend.submitQueue
  backend.submitQueue = () => {
    // in the queue's order: after what was submitted before, and before what is submitted now
    if (used > 0) queue.writeBuffer(buffer, 0, host, 0, (STRIDE * used) / 4)
    used = 0
    submit.call(backend)
  }
  const places = Array.from({ length: DISPATCHES_PER_SUBMIT }, (_, i) => ({
    words: host.subarray((STRIDE * i) / 4, (STRIDE * (i + 1)) / 4),
    offsets: [STRIDE * i]
  }))
  return {
    /** in the layout of every program */
    entry: {
      binding: 0,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: "uniform", hasDynamicOffset: true }
    } as const satisfies GPUBindGroupLayoutEntry,
    binding: { binding: 0, resource: { buffer, size: STRIDE } },
    /** Where the words of the next dispatch are to be written. */
    next: (): Uint32Array => places[used]!.words,
    /** They are written; where the dispatch finds them. */
    take: (): Array<number> => places[used++]!.offsets,
    full: (): boolean => used === DISPATCHES_PER_SUBMIT,
    destroy: () => buffer.destroy()
  }
}
