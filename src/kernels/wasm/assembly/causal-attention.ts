/**
 * Causal attention, forward: a block of queries of one head at a time. Their scores against all keys that one of them attends stay in
 * the second cache; each panel of keys and of values passes the block once. Few queries, as a model that writes has them, read keys and
 * values as they lie: packing would cost more than the products.
 */
import {
  d, exponentials, findKeys, first, from, group, keepStatistics, keyOffset, keys, keyStride, last, open,
  place, queries, queryOffset, queryStride, statisticsOf, to, window
} from "./causal"
import { addBlock, scoreBlock } from "./causal-blocks"
import { CausalAttention } from "./declared"
import { packRows, packWide, padded } from "./panels"
import { tileNT } from "./product-rows"
import { scale as scaled } from "./thin"
import { floats, loadPart, madd } from "./vectors"

/** Queries of a block. */
const ROWS: i32 = 24
/** Fewer queries than this are not worth packing for. */
const FEW: i32 = 4

/**
 * Needs a scratch of keys + 16 floats, the panels of keys and values, (keys + 12)·d and keys·padded(d), and for each of 24 queries a row
 * of keys + 12 floats and one of padded(d).
 */
export function causalAttention(args: CausalAttention, chunk: i32, scratch: usize): void {
  const keyPanels = open(args, chunk, scratch)
  if (queries < FEW) {
    fewQueries(args, keyPanels)
    return
  }
  const end = max(0, min(keys, place(last - 1) + 1))
  const valuePanels = keyPanels + floats((keys + 12) * d)
  const scores = valuePanels + floats(keys * padded(d))
  packWide(args.k + keyOffset, keyStride, d, end, keyPanels)
  packRows(args.v + keyOffset, keyStride, end, d, valuePanels)
  for (let g = 0; g < group; g++)
    for (let i = first; i < last; i += ROWS) block(args, g, i, min(ROWS, last - i), end, keyPanels, valuePanels, scores)
}

function block(
  args: CausalAttention,
  g: i32,
  i: i32,
  rows: i32,
  end: i32,
  keyPanels: usize,
  valuePanels: usize,
  scores: usize
): void {
  const scoreBytes = floats(keys + 12)
  const headBytes = floats(padded(d))
  const out = scores + scoreBytes * ROWS
  const at = queryOffset(g, i)
  findKeys(i, rows, 0, end)
  const p0 = from / 12
  const p1 = from < to ? (to + 11) / 12 : p0
  const reach = place(i)
  scoreBlock(args.q + at, queryStride, rows, keyPanels, d, p0, p1, scores, scoreBytes, reach, window)
  memory.fill(out, 0, headBytes * <usize>rows)
  // the shares are needed once the sums are there: the statistics hold them
  for (let r = 0; r < rows; r++) {
    exponentials(scores + scoreBytes * <usize>r, i + r, p0 * 12, p1 * 12)
    keepStatistics(args, g, i + r)
  }
  addBlock(
    scores,
    scoreBytes,
    4,
    rows,
    valuePanels,
    end,
    d,
    out,
    headBytes,
    p0 * 12,
    min(end, p1 * 12),
    reach - window + 1,
    reach
  )
  for (let r = 0; r < rows; r++) {
    const own = load<f32>(statisticsOf(args, g, i + r) + 4)
    scaled(out + headBytes * <usize>r, own, args.o + at + queryStride * <usize>r, d)
  }
}

// rows of the weights, and where a tile of O is put together: module variables, one copy a thread
let s0: usize = 0
let s1: usize = 0
let s2: usize = 0
let tile: usize = 0

/** The chunk's queries. Needs a scratch of 3 rows of keys + 12 floats, and 36 floats. */
export function fewQueries(args: CausalAttention, scratch: usize): void {
  const scoreBytes = floats(keys + 12)
  s0 = scratch
  s1 = s0 + scoreBytes
  s2 = s1 + scoreBytes
  tile = s2 + scoreBytes
  for (let i = first; i < last; i++)
    for (let g = 0; g < group; g += 3) {
      scores(args, g, i)
      outputs(args, g, i)
    }
}

/** exp(score − largest) of query i of three heads. */
function scores(args: CausalAttention, g: i32, i: i32): void {
  const q0 = args.q + queryOffset(g, i)
  const q1 = args.q + queryOffset(min(g + 1, group - 1), i)
  const q2 = args.q + queryOffset(min(g + 2, group - 1), i)
  const k = args.k + keyOffset
  findKeys(i, 1, 0, keys)
  memory.fill(s0, 0, tile - s0)
  for (let j = from; j < to; j += 3) {
    const o1 = <usize>min(j + 1, to - 1)
    const o2 = <usize>min(j + 2, to - 1)
    const at = floats(j)
    const k0 = k + keyStride * <usize>j
    const j1 = (o1 << 2) - at
    const j2 = (o2 << 2) - at
    tileNT(q0, q1, q2, k0, k + keyStride * o1, k + keyStride * o2, d, 0, s0 + at, s1 + at, s2 + at, j1, j2)
  }
  for (let r = 0; r < min(3, group - g); r++) {
    exponentials(s0 + floats(keys + 12) * <usize>r, i, from & ~3, from < to ? (to + 3) & ~3 : from & ~3)
    keepStatistics(args, g + r, i)
  }
}

/** O of query i of three heads: columns in twelves, then in fours. */
function outputs(args: CausalAttention, g: i32, i: i32): void {
  const v = args.v + keyOffset + keyStride * <usize>from
  const count = to - from
  for (let j = 0; j < d; ) {
    const width = d - j >= 12 ? 12 : min(4, d - j)
    if (width === 12) sumOf12(v + floats(j), count)
    else sumOf4(v + floats(j), count, width)
    for (let r = 0; r < min(3, group - g); r++) {
      const share = load<f32>(statisticsOf(args, g + r, i) + 4)
      scaled(tile + 48 * <usize>r, share, args.o + queryOffset(g + r, i) + floats(j), width)
    }
    j += width
  }
}

/** tile [3, 12] = Σ weights·12 columns of `count` values, from the first key on. */
function sumOf12(v: usize, count: i32): void {
  let o00 = f32x4.splat(0)
  let o01 = f32x4.splat(0)
  let o02 = f32x4.splat(0)
  let o10 = f32x4.splat(0)
  let o11 = f32x4.splat(0)
  let o12 = f32x4.splat(0)
  let o20 = f32x4.splat(0)
  let o21 = f32x4.splat(0)
  let o22 = f32x4.splat(0)
  const stride = keyStride
  let p0 = s0 + floats(from)
  let p1 = s1 + floats(from)
  let p2 = s2 + floats(from)
  const end = p0 + floats(count)
  while (p0 < end) {
    const y0 = v128.load(v)
    const y1 = v128.load(v, 16)
    const y2 = v128.load(v, 32)
    const x0 = v128.load32_splat(p0)
    o00 = madd(x0, y0, o00)
    o01 = madd(x0, y1, o01)
    o02 = madd(x0, y2, o02)
    const x1 = v128.load32_splat(p1)
    o10 = madd(x1, y0, o10)
    o11 = madd(x1, y1, o11)
    o12 = madd(x1, y2, o12)
    const x2 = v128.load32_splat(p2)
    o20 = madd(x2, y0, o20)
    o21 = madd(x2, y1, o21)
    o22 = madd(x2, y2, o22)
    v += stride
    p0 += 4
    p1 += 4
    p2 += 4
  }
  v128.store(tile, o00)
  v128.store(tile, o01, 16)
  v128.store(tile, o02, 32)
  v128.store(tile, o10, 48)
  v128.store(tile, o11, 64)
  v128.store(tile, o12, 80)
  v128.store(tile, o20, 96)
  v128.store(tile, o21, 112)
  v128.store(tile, o22, 128)
}

/** The same for `width` ≤ 4 columns, in the first of each 12. */
function sumOf4(v: usize, count: i32, width: i32): void {
  let o0 = f32x4.splat(0)
  let o1 = f32x4.splat(0)
  let o2 = f32x4.splat(0)
  for (let j: usize = floats(from); j < floats(from + count); j += 4) {
    const y = width === 4 ? v128.load(v) : loadPart(v, width)
    o0 = madd(v128.load32_splat(s0 + j), y, o0)
    o1 = madd(v128.load32_splat(s1 + j), y, o1)
    o2 = madd(v128.load32_splat(s2 + j), y, o2)
    v += keyStride
  }
  v128.store(tile, o0)
  v128.store(tile, o1, 48)
  v128.store(tile, o2, 96)
}
