/**
 * Rows of a table on the GPU, the look-up of embeddings: out[i] = table[ids[i]].
 *
 * A table larger than the device binds is read in windows, a dispatch for each: of all rows asked for, it copies those
 * that are in the window. An id that is no row of the table gives a row of NaN, so that it cannot pass unseen; the
 * first window writes these.
 */
import { type TensorInfo, util, zeros } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { bindingLimitOf, type Kernel } from "./backend.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { ARENA_ALIGNMENT, groupsFor, type Span, type WebgpuEngine, webgpuEngineOf } from "./engine.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

const gather = variants((type: VectorType) =>
  program({
    name: "Gather",
    buffers: { rows: read(type), ids: read("i32"), out: write(type) },
    // rows of the table, and which of them the binding holds: [first, end)
    words: { size: "u32", rowLength: "u32", count: "i32", first: "i32", end: "i32" },
    workgroup: WORKGROUP,
    body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
  let id = ids[i / words.rowLength];
  if (id >= words.first && id < words.end) {
    out[i] = rows[u32(id - words.first) * words.rowLength + i % words.rowLength];
  } else if (words.first == 0 && (id < 0 || id >= words.count)) {
    out[i] = V(notANumber());
  }
}`
  })
)

/** Arguments of a look-up of rows. */
export interface Lookup {
  /** Returns the part of the table that begins `offset` bytes from its start. */
  readonly window: (offset: number, size: number) => TensorInfo | Span
  readonly rows: number
  /** values per row */
  readonly width: number
  /** row numbers, int32, `count` of them */
  readonly ids: TensorInfo
  readonly count: number
  /** result [count, width] */
  readonly out: TensorInfo
  /** maximum bytes of one binding */
  readonly limit: number
}

/** Copies the rows. No size may be 0. */
export const gatherOnWebgpu = (engine: WebgpuEngine, { window, rows, width, ids, count, out, limit }: Lookup): void => {
  const rowBytes = 4 * width
  const perWindow = rows * rowBytes <= limit ? rows : rowsOfWindow(width, limit)
  const type = vectorFor(width)
  const rowLength = width / LANES[type]
  const size = count * rowLength
  for (let first = 0; first < rows; first += perWindow) {
    const end = Math.min(rows, first + perWindow)
    engine.run(
      gather(type),
      { rows: window(first * rowBytes, (end - first) * rowBytes), ids, out },
      { size, rowLength, count: rows, first, end },
      groupsFor(size, WORKGROUP)
    )
  }
}

/** The most rows that a window may have, so that each window begins where a binding may. */
const rowsOfWindow = (width: number, limit: number): number => {
  const step = ARENA_ALIGNMENT / greatestCommonDivisor(width, ARENA_ALIGNMENT)
  const rows = Math.floor(limit / (4 * width * step)) * step
  if (rows === 0) throw new Error(`webgpu: a row of ${width} numbers does not fit in a window of ${limit} bytes`)
  return rows
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))

/**
 * GatherV2 along the first axis, the look-up of embeddings, on the webgpu backend.
 *
 *   out[ids[…], …] = x[id, …]       x [n, …] float32, ids of any shape, int32
 *
 * tfjs's kernel binds the whole table, which is too large for a large vocabulary; this one reads it in windows, so that only its upload must fit
 * the device (`guardBuffers`). An id out of range gives a row of NaN, instead of tfjs's 0: the ids are on the GPU and cannot be checked there.
 * Other axes and types use tfjs's kernel.
 */
export const gatherKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const { inputs, attrs, backend } = call
    const engine = webgpuEngineOf(backend)
    const [x, ids] = [inputs["x"]!, inputs["indices"]!]
    const axis = util.parseAxisParam(attrs["axis"] as number, x.shape)[0]!
    const isSupported = x.dtype === "float32" && ids.dtype === "int32" && axis === 0 && (attrs["batchDims"] ?? 0) === 0
    if (engine === undefined || !isSupported || x.shape[0] === 0) return stock(call)
    const shape = [...ids.shape, ...x.shape.slice(1)]
    if (shape.includes(0)) return zeros(shape)
    const out = engine.output(shape)
    const limit = bindingLimitOf(backend)
    const whole = util.sizeFromShape(x.shape) * 4 <= limit
    const partOf = (offset: number, size: number) => {
      backend.uploadToGPU(x.dataId)
      // which is no part of an arena: outputs and arenas of such a size are refused
      return { buffer: backend.tensorMap.get(x.dataId).resource!, offset, size }
    }
    gatherOnWebgpu(engine, {
      window: whole ? () => x : partOf,
      rows: x.shape[0]!,
      width: util.sizeFromShape(x.shape.slice(1)),
      ids,
      count: util.sizeFromShape(ids.shape),
      out,
      limit
    })
    return out
  }
