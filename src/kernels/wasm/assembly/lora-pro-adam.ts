/**
 * LoRA-Pro's full form with Adam inside, for a list of factor pairs: g̃ and u [out, in] exist 24 rows at a time.
 *
 *   open    L = s·[Q | b − Q Qᵀb] [out, 2r]    K = [a ; R] [2r, in], packed          (a chunk: pairs)
 *   move    g̃ = L·K    M' = β₁M + g̃    V' = β₂V + g̃²    u = M' / (√V'·c + e)
 *           b = u·Rᵀ for its rows, a part of s·Qᵀu                                    (a chunk: some rows of one pair)
 *   close   a = s⁻² Σ parts, b ← s⁻¹ b, pull back                                     (a chunk: pairs)
 *
 * What passes through memory is M, V, M' and V'. How rows are cut is a function of the shapes, and parts are added in their order:
 * the number of threads changes no bit.
 */
import { LoraProAdam, LoraProAdamEntry } from "./declared"
import { adamSpan } from "./expressions"
import {
  addTall, bases, behind, coordinates, inputs, narrow, openPair, outputs, overlap, packTransposed, pullBack,
  r, wide
} from "./lora-pro"
import { packRows } from "./panels"
import { addProduct, combine, product, scale, wholePanels } from "./thin"
import { copyRows, floats } from "./vectors"

/** Rows of g̃ at a time: 24·in floats stay in a core's second cache. */
const ROWS: i32 = 24

function openEntry(one: LoraProAdamEntry, scratch: usize): void {
  openPair(one.r, one.inputs, one.outputs, one.TB, one.TBgrad, one.TAt, one.TAgrad, one.S, scratch)
}

/** Scratch as `loraPro`'s. */
export function loraProAdamOpen(args: LoraProAdam, chunk: i32, scratch: usize): void {
  const end = min((chunk + 1) * args.perChunk, args.entries)
  for (let i = chunk * args.perChunk; i < end; i++) {
    const one = args.entry(i)
    openEntry(one, scratch)
    const a = one.right
    const rows = a + floats(r * wide)
    const b = one.tall
    const left = one.left
    const Q = behind()
    const spare = Q + floats(outputs * narrow)
    const N = spare + floats(outputs * narrow)
    const s = one.scale
    bases(one.A, one.B, Q, rows)
    coordinates(one.gA, one.gB, a, b)
    overlap(Q, floats(narrow), 1, b, N)
    addTall(Q, floats(narrow), -1, N, b, spare)
    copyRows(Q, floats(narrow), left, floats(2 * r), outputs, r, s)
    copyRows(b, floats(narrow), left + floats(r), floats(2 * r), outputs, r, s)
    packRows(a, floats(wide), 2 * r, inputs, one.packed)
    packTransposed(rows, one.transposed)
  }
}

function partsOf(one: LoraProAdamEntry): i32 {
  return (one.outputs + one.perPart - 1) / one.perPart
}

/** Scratch: 24·wide floats twice. A chunk is a part of a pair; with one chunk for all, they come one after the other. */
export function loraProAdamMove(args: LoraProAdam, chunk: i32, scratch: usize): void {
  const first = chunk * args.perChunk
  const end = first + args.perChunk
  let before = 0
  for (let i = 0; i < args.entries; i++) {
    const one = args.entry(i)
    const parts = partsOf(one)
    for (let part = max(first - before, 0); part < min(end - before, parts); part++) move(args, one, part, scratch)
    before += parts
  }
}

function move(args: LoraProAdam, one: LoraProAdamEntry, part: i32, scratch: usize): void {
  const rank = one.r
  const columns = one.inputs
  const stride = floats(wholePanels(columns))
  const sum = one.parts + <usize>(part * rank) * stride
  const from = part * one.perPart
  const to = min(from + one.perPart, one.outputs)
  memory.fill(sum, 0, <usize>rank * stride)
  for (let row = from; row < to; row += ROWS) moveRows(args, one, row, min(ROWS, to - row), sum, scratch)
}

function moveRows(args: LoraProAdam, one: LoraProAdamEntry, row: i32, count: i32, sum: usize, scratch: usize): void {
  const rank = one.r
  const columns = one.inputs
  const whole = wholePanels(columns)
  const narrow = floats(wholePanels(rank))
  const u = scratch
  const panels = u + floats(ROWS * whole)
  const pair = floats(2 * rank)
  const left = one.left + <usize>row * pair
  product(left, pair, 4, count, one.packed, 2 * rank, columns, u, floats(whole))
  let at = floats(row * columns)
  for (let i = 0; i < count; i++) {
    const g = u + floats(i * whole)
    adamSpan(
      g,
      one.M + at,
      one.V + at,
      g,
      one.nextM + at,
      one.nextV + at,
      columns,
      args.b1,
      args.b2,
      args.c,
      args.e
    )
    at += floats(columns)
  }
  const tall = one.tall + <usize>row * narrow
  product(u, floats(whole), 4, count, one.transposed, columns, rank, tall, narrow)
  packRows(u, floats(whole), count, whole, panels)
  addProduct(left, 4, pair, rank, panels, count, whole, sum, floats(whole))
}

/** Scratch as `loraPro`'s. */
export function loraProAdamClose(args: LoraProAdam, chunk: i32, scratch: usize): void {
  const end = min((chunk + 1) * args.perChunk, args.entries)
  for (let i = chunk * args.perChunk; i < end; i++) {
    const one = args.entry(i)
    openEntry(one, scratch)
    const a = one.right
    const rows = a + floats(r * wide)
    const b = one.tall
    const inverse: f32 = 1 / one.scale
    addParts(one, a)
    scale(a, inverse * inverse, a, r * wide)
    scale(b, inverse, b, outputs * narrow)
    pullBack(
      args.x,
      a,
      b,
      one.left,
      floats(2 * r),
      inverse,
      rows,
      one.transposed,
      behind(),
      one.dA,
      one.dB
    )
  }
}

/** The sum of all parts, in their order. */
function addParts(one: LoraProAdamEntry, to: usize): void {
  const size = r * wide
  let part = one.parts
  memory.copy(to, part, floats(size))
  for (let i = 1; i < partsOf(one); i++) {
    part += floats(size)
    combine(to, 1, part, 1, to, size)
  }
}
