/**
 * Times every tile of `product-tiles.ts` on the GPU that is open: y = xWᵀ with an inner dimension of 512, for C of 128 × 128 up to
 * 2048 × 2048, by timestamps of the GPU. Before that it is seen whether they give the same bits there: WGSL lets a compiler fuse a
 * multiplication and an addition, and a tile in which it does so unlike in the first is not used. So which tile a product takes decides no
 * bits, on compilers that no one has tried either.
 *
 * After BUDGET nothing is begun: what has been measured by then is what there is.
 */
import { submitPending, TENSOR_USAGE, type WebgpuBackend } from "./backend.ts"
import type { Span, WebgpuEngine } from "./engine.ts"
import { multiplyInto } from "./product.ts"
import type { Form } from "./product-blocks.ts"
import { type TileName, tileNames, tilesProgram } from "./product-tiles.ts"
import { PROBED_AREAS, type ProbedTiles, possibleTiles, type TileTimes } from "./tile-choice.ts"

/** Milliseconds after which nothing is begun. */
const BUDGET = 300
/** Of GPU time that a timed pass should have: timestamps are rounded, to 65 µs by Dawn. */
const PASS = 1
/** Products of a pass: they have to fit into one submit. */
const MOST_PRODUCTS = 48
/** Passes at each area; the fastest counts, since whatever else uses the GPU only takes away. */
const PASSES = 2
const DEPTH = 512
/** Rows and columns of C that are compared: no multiple of the larger tiles. */
const COMPARED_SIDE = 160

interface Probe extends ProbeOptions {
  readonly engine: WebgpuEngine
  readonly backend: WebgpuBackend
  readonly times: Timestamps
  readonly a: Buffer
  readonly b: Buffer
  readonly c: Buffer
  /** milliseconds that are left */
  readonly left: () => number
}

/** Not tfjs's, which would keep its memory for tensors of these sizes, and count it. */
interface Buffer extends Span {
  readonly buffer: GPUBuffer
}

/** Options of `probeTiles`. */
export interface ProbeOptions {
  /** Resolves to whether the device has completed all work since the last call. */
  readonly worked: () => Promise<boolean>
  /** time in ms after which no further measurement starts */
  readonly budget?: number
  /** number of PROBED_AREAS to measure; default: all */
  readonly areas?: number
}

const FORM: Form = {
  ...{ kind: "nt", pair: { a: "vec4f", b: "vec4f" }, second: null, summed: false, parts: false },
  ...{ bias: false, plus: false, activation: null, out: "vec4f" }
}

/** Returns the source of all timed programs: a measurement is valid only while it stays the same. */
export const probedPrograms = (): string => tileNames.map((tile) => tilesProgram({ ...FORM, tile }).code).join("\n")

/** Measures the time of every tile. Resolves to undefined if the device has no timestamps. Rejects if it is lost. */
export const probeTiles = async (
  engine: WebgpuEngine,
  backend: WebgpuBackend,
  options: ProbeOptions
): Promise<ProbedTiles | undefined> => {
  const { device } = backend
  if (!device.features.has("timestamp-query")) return undefined
  const end = performance.now() + (options.budget ?? BUDGET)
  const side = Math.sqrt(PROBED_AREAS.at(-1)!)
  const times = timestamps(device)
  const [a, b] = [numbersOn(device, side * DEPTH), numbersOn(device, side * DEPTH)]
  const c = bufferOn(device, side * side)
  const probe: Probe = { ...options, engine, backend, times, a, b, c, left: () => end - performance.now() }
  try {
    const { alike, refused } = await compared(probe, possibleTiles(engine.limits))
    return { times: await timed(probe, alike), refused }
  } finally {
    for (const span of [a, b, c]) span.buffer.destroy()
    times.destroy()
  }
}

const bufferOn = (device: GPUDevice, numbers: number): Buffer => {
  const size = 4 * numbers
  return { buffer: device.createBuffer({ label: "Tiles", size, usage: TENSOR_USAGE() }), offset: 0, size }
}

/** Numbers that are compared: those that come after them are 0. */
const COMPARED = COMPARED_SIDE * DEPTH

/** Numbers from −1 to 1 of 24 bits: whether a product is rounded before it is added shows in the sum. */
const numbersOn = (device: GPUDevice, count: number): Buffer => {
  const created = bufferOn(device, count)
  let state = 1
  const numbers = Float32Array.from({ length: COMPARED }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 23 - 1
  })
  device.queue.writeBuffer(created.buffer, 0, numbers)
  return created
}

/** C [side, side], `products` times. */
const multiply = ({ engine, a, b, c }: Probe, tile: TileName, side: number, products: number): void => {
  for (let i = 0; i < products; i++) multiplyInto(engine, { kind: "nt", m: side, n: side, k: DEPTH, a, b }, c, { tile })
}

const clear = ({ backend, c }: Probe): void => {
  backend.ensureCommandEncoderReady()
  backend.endComputePassEncoder()
  backend.commandEncoder!.clearBuffer(c.buffer)
}

/** Tiles by whether their bits are the first one's; those for which there was no time are neither. */
const compared = async (probe: Probe, names: ReadonlyArray<TileName>) => {
  const alike: Array<TileName> = []
  const refused: Array<TileName> = []
  let first: Uint32Array | undefined
  for (const tile of names) {
    if (probe.left() < 0) break
    // a program that does not run leaves what another has written
    clear(probe)
    multiply(probe, tile, COMPARED_SIDE, 1)
    const bits = new Uint32Array(await bytesOf(probe.backend, probe.c, 4 * COMPARED_SIDE ** 2))
    const same = (await probe.worked()) && (first === undefined || bits.every((bit, i) => bit === first![i]))
    if (same) first = bits
    ;(same ? alike : refused).push(tile)
  }
  return { alike, refused }
}

/** Area by area, for as long as there is time for all tiles. */
const timed = async (probe: Probe, names: ReadonlyArray<TileName>): Promise<TileTimes> => {
  if (names.length < 2) return {} // nothing to choose from
  const timesByName = new Map(names.map((name) => [name, [] as Array<number>]))
  // the first pass finds the GPU at rest
  if (probe.left() > 0) await passOf(probe, names[0]!, 256, 4)
  for (const area of PROBED_AREAS.slice(0, probe.areas)) {
    const times: Array<number> = []
    for (const name of names) {
      const before = timesByName.get(name)!.at(-1)
      // four times as many numbers take four times as long at most
      const expected = before === undefined ? undefined : 4 * before
      if (probe.left() < (expected ?? 0) / 1e6) break
      const time = await timeOf(probe, name, Math.sqrt(area), expected)
      if (!(time > 0)) break
      times.push(time)
    }
    if (times.length < names.length) break
    for (const [i, name] of names.entries()) timesByName.get(name)!.push(times[i]!)
  }
  return Object.fromEntries([...timesByName].filter(([, times]) => times.length > 0))
}

/** Nanoseconds of one product. */
const timeOf = async (probe: Probe, name: TileName, side: number, expected: number | undefined): Promise<number> => {
  let products = expected === undefined ? 4 : productsFor(expected)
  let best = Number.POSITIVE_INFINITY
  for (let pass = 0; pass < PASSES && (pass === 0 || probe.left() > 0); pass++) {
    const pass = await passOf(probe, name, side, products)
    if (pass > 0) best = Math.min(best, pass / products)
    products = productsFor(pass / products)
  }
  return Number.isFinite(best) ? Math.round(best) : 0
}

/** How many products of so many nanoseconds a pass has. */
const productsFor = (time: number): number =>
  time > 0 ? Math.max(1, Math.min(MOST_PRODUCTS, Math.ceil((PASS * 1e6) / time))) : MOST_PRODUCTS

/** Nanoseconds of a pass. */
const passOf = async (probe: Probe, name: TileName, side: number, products: number): Promise<number> => {
  const { backend, times } = probe
  submitPending(backend)
  backend.ensureCommandEncoderReady()
  const encoder = backend.commandEncoder!
  backend.computePassEncoder = encoder.beginComputePass({ label: "Tiles", timestampWrites: times.writes })
  multiply(probe, name, side, products)
  backend.endComputePassEncoder()
  times.resolve(encoder)
  submitPending(backend)
  return times.read()
}

const STAMP = 8

interface Timestamps {
  readonly writes: GPUComputePassTimestampWrites
  readonly resolve: (encoder: GPUCommandEncoder) => void
  readonly read: () => Promise<number>
  readonly destroy: () => void
}

/** Of the beginning and the end of one pass at a time. */
const timestamps = (device: GPUDevice): Timestamps => {
  const querySet = device.createQuerySet({ type: "timestamp", count: 2 })
  const size = 2 * STAMP
  const resolved = device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC })
  const mapped = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ })
  return {
    writes: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    resolve: (encoder) => {
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0)
      encoder.copyBufferToBuffer(resolved, 0, mapped, 0, size)
    },
    read: async () => {
      await mapped.mapAsync(GPUMapMode.READ)
      const [begin, end] = new BigUint64Array(mapped.getMappedRange().slice(0))
      mapped.unmap()
      return Number(end! - begin!)
    },
    destroy: () => {
      for (const resource of [querySet, resolved, mapped]) resource.destroy()
    }
  }
}

/** The first bytes of a span, when all that is recorded so far has run. */
const bytesOf = async (backend: WebgpuBackend, { buffer, offset }: Buffer, size: number): Promise<ArrayBuffer> => {
  const mapped = backend.device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ })
  backend.ensureCommandEncoderReady()
  backend.endComputePassEncoder()
  backend.commandEncoder!.copyBufferToBuffer(buffer, offset, mapped, 0, size)
  submitPending(backend)
  await mapped.mapAsync(GPUMapMode.READ)
  const bytes = mapped.getMappedRange().slice(0)
  mapped.destroy()
  return bytes
}
