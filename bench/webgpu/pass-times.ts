/**
 * GPU time by pipeline: every dispatch gets a compute pass of its own, with a timestamp at both ends. WebGPU times
 * passes and no single dispatch; a pass holds what our engine and tfjs collect for a submit. What is timed so is a
 * program alone: nothing overlaps with it.
 */
import type { ProgramTimes } from "./measurement.ts"
import { labelOf, wrap } from "./wrapped.ts"

/** Dispatches to a query set, which may hold 4,096 timestamps. */
const EACH = 2048
const BYTES = 8

interface Chunk {
  readonly device: GPUDevice
  readonly set: GPUQuerySet
  readonly labels: Array<string>
}

/** A compute pass to whoever records into it. */
class PassEach {
  private pipeline: GPUComputePipeline | undefined
  private readonly groups = new Map<number, Array<unknown>>()

  private readonly begin: (label: string) => GPUComputePassEncoder

  constructor(begin: (label: string) => GPUComputePassEncoder) {
    this.begin = begin
  }

  setPipeline(pipeline: GPUComputePipeline): void {
    this.pipeline = pipeline
  }

  setBindGroup(...args: [number, ...Array<unknown>]): void {
    this.groups.set(args[0], args)
  }

  dispatchWorkgroups(x: number, y?: number, z?: number): void {
    const pass = this.begin(labelOf(this.pipeline!))
    pass.setPipeline(this.pipeline!)
    for (const args of this.groups.values())
      pass.setBindGroup(...(args as Parameters<GPUComputePassEncoder["setBindGroup"]>))
    pass.dispatchWorkgroups(x, y, z)
    pass.end()
  }

  end(): void {}
}

export interface PassTimes {
  /** Sums since the last call; after everything submitted has run. */
  readonly take: () => Promise<ProgramTimes>
}

/** Times every dispatch from now on, for the rest of the process. */
export const startTiming = (): PassTimes => {
  let chunks: Array<Chunk> = []
  const deviceOf = new WeakMap<GPUCommandEncoder, GPUDevice>()

  wrap(
    GPUDevice,
    "createCommandEncoder",
    (inner) =>
      function (descriptor) {
        const encoder = inner.call(this, descriptor)
        deviceOf.set(encoder, this)
        return encoder
      }
  )
  wrap(
    GPUCommandEncoder,
    "beginComputePass",
    (inner) =>
      function () {
        const device = deviceOf.get(this)!
        return new PassEach((label) => {
          let chunk = chunks.at(-1)
          if (chunk === undefined || chunk.labels.length === EACH) {
            chunk = { device, set: device.createQuerySet({ type: "timestamp", count: 2 * EACH }), labels: [] }
            chunks.push(chunk)
          }
          const { set: querySet, labels } = chunk
          const index = 2 * labels.length
          labels.push(label)
          return inner.call(this, {
            timestampWrites: { querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 }
          })
        }) as unknown as GPUComputePassEncoder
      }
  )
  return {
    take: async () => {
      const taken = chunks
      chunks = []
      const times: Record<string, ProgramTimes[string]> = {}
      for (const chunk of taken) {
        const stamps = await stampsOf(chunk)
        for (const [i, label] of chunk.labels.entries()) {
          const { calls, milliseconds } = times[label] ?? { calls: 0, milliseconds: 0 }
          const own = Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6 // nanoseconds
          times[label] = { calls: calls + 1, milliseconds: milliseconds + own }
        }
        chunk.set.destroy()
      }
      return times
    }
  }
}

const stampsOf = async ({ device, set, labels }: Chunk): Promise<BigUint64Array> => {
  const size = 2 * BYTES * labels.length
  const resolved = device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC })
  const read = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ })
  const encoder = device.createCommandEncoder()
  encoder.resolveQuerySet(set, 0, 2 * labels.length, resolved, 0)
  encoder.copyBufferToBuffer(resolved, 0, read, 0, size)
  device.queue.submit([encoder.finish()])
  await read.mapAsync(GPUMapMode.READ)
  const stamps = new BigUint64Array(read.getMappedRange().slice(0))
  read.destroy()
  resolved.destroy()
  return stamps
}
