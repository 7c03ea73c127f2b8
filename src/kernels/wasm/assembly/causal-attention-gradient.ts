/**
 * Causal attention, backward: P is made again from its statistics, a block of keys against a block of queries at a time, so that all that a
 * block needs stays in the second cache, whatever the length is.
 *
 * dK and dV of a block of keys are sums over the queries of the chunk's part, and over the heads of its group. Where there are several
 * parts, each writes its own sums, which the host adds.
 */
import {
  attended, beyond, cap, d, findKeys, first, from, group, keyOffset, keys, keyStride, last, nearest, open,
  openRow, part, place, queryOffset, queryStride, scale, scoreOf, statisticsOf, to, window, zeros
} from "./causal"
import { addBlock, scoreBlock } from "./causal-blocks"
import { CausalAttention } from "./declared"
import { exp } from "./exp"
import { packRows, packWide, padded } from "./panels"
import { copyRows, floats, loadPart, total } from "./vectors"

/** floats from part to part */

/** Queries and keys of a block. */
const ROWS: i32 = 24
const COLUMNS: i32 = 96

// places in the scratch: module variables, one copy a thread
let sums: usize = 0 // Σ dO∘O of each query
let dQ: usize = 0 // [group·queries of the part, padded d]
let keyColumns: usize = 0
let valueColumns: usize = 0
let keyRows: usize = 0
let dK: usize = 0
let dV: usize = 0
let weights: usize = 0 // S, then P
let slopes: usize = 0 // dP, then dS
let panels: usize = 0
let headBytes: usize = 0
const BLOCK_BYTES: usize = 384 // COLUMNS floats

/**
 * Needs a scratch of keys + 16 floats, group·(queries of a part)·(1 + padded d), 192·d and 312·padded(d) floats and two blocks of 24 × 96.
 */
export function causalAttentionGradient(args: CausalAttention, chunk: i32, scratch: usize): void {
  sums = open(args, chunk, scratch)
  const count = last - first
  headBytes = floats(padded(d))
  dQ = sums + floats(group * count)
  keyColumns = dQ + headBytes * <usize>(group * count)
  valueColumns = keyColumns + floats(COLUMNS * d)
  keyRows = valueColumns + floats(COLUMNS * d)
  dK = keyRows + headBytes * COLUMNS
  dV = dK + headBytes * COLUMNS
  weights = dV + headBytes * COLUMNS
  slopes = weights + BLOCK_BYTES * ROWS
  panels = slopes + BLOCK_BYTES * ROWS
  memory.fill(dQ, 0, headBytes * <usize>(group * count))
  for (let g = 0; g < group; g++) for (let i = first; i < last; i++) sumOf(args, g, i)
  for (let j = 0; j < keys; j += COLUMNS) forKeys(args, j, min(COLUMNS, keys - j))
  for (let g = 0; g < group; g++) {
    const own = dQ + headBytes * <usize>(g * count)
    copyRows(own, headBytes, args.dq + queryOffset(g, first), queryStride, count, d, 1)
  }
}

/** Σ dO∘O of query i of head g. */
function sumOf(args: CausalAttention, g: i32, i: i32): void {
  let x = args.dO + queryOffset(g, i)
  let y = args.o + queryOffset(g, i)
  const end = x + floats(d & ~3)
  let sum = f32x4.splat(0)
  while (x < end) {
    sum = f32x4.add(sum, f32x4.mul(v128.load(x), v128.load(y)))
    x += 16
    y += 16
  }
  const rest = d & 3
  if (rest !== 0) sum = f32x4.add(sum, f32x4.mul(loadPart(x, rest), loadPart(y, rest)))
  store<f32>(sums + floats(g * (last - first) + i - first), total(sum))
}

/** Everything of keys j … j + columns − 1. */
function forKeys(args: CausalAttention, j: i32, columns: i32): void {
  const at = keyOffset + keyStride * <usize>j
  memory.fill(dK, 0, 2 * headBytes * COLUMNS)
  findKeys(first, last - first, j, j + columns)
  if (from < to) {
    packWide(args.k + at, keyStride, d, columns, keyColumns)
    packWide(args.v + at, keyStride, d, columns, valueColumns)
    packRows(args.k + at, keyStride, columns, d, keyRows)
    for (let g = 0; g < group; g++)
      for (let i = first; i < last; i += ROWS) {
        const rows = min(ROWS, last - i)
        findKeys(i, rows, j, j + columns)
        if (from < to) block(args, g, i, rows, j, columns)
      }
  }
  const ofPart = floats(args.matrices * keys * d) * <usize>part + at
  copyRows(dK, headBytes, args.dk + ofPart, keyStride, columns, d, 1)
  copyRows(dV, headBytes, args.dv + ofPart, keyStride, columns, d, 1)
}

/** What queries i … of head g and a block of keys give each other. */
function block(args: CausalAttention, g: i32, i: i32, rows: i32, j: i32, columns: i32): void {
  const at = queryOffset(g, i)
  const q = args.q + at
  const dO = args.dO + at
  const reach = place(i) - j
  const wide = (columns + 11) / 12
  scoreBlock(q, queryStride, rows, keyColumns, d, 0, wide, weights, BLOCK_BYTES, reach, window)
  scoreBlock(dO, queryStride, rows, valueColumns, d, 0, wide, slopes, BLOCK_BYTES, reach, window)
  for (let r = 0; r < rows; r++) slope(args, g, i + r, j, columns, BLOCK_BYTES * <usize>r)
  const low = reach - window + 1
  const out = dQ + headBytes * <usize>(g * (last - first) + i - first)
  addBlock(slopes, BLOCK_BYTES, 4, rows, keyRows, columns, d, out, headBytes, 0, columns, low, reach)
  packRows(dO, queryStride, rows, d, panels)
  addBlock(weights, 4, BLOCK_BYTES, columns, panels, rows, d, dV, headBytes, 0, rows, -reach, -low)
  packRows(q, queryStride, rows, d, panels)
  addBlock(slopes, 4, BLOCK_BYTES, columns, panels, rows, d, dK, headBytes, 0, rows, -reach, -low)
}

/** P and scale·dS of query i and a block of keys, in place; 0 for keys that it does not attend. */
function slope(args: CausalAttention, g: i32, i: i32, j: i32, columns: i32, at: usize): void {
  const end = (columns + 3) & ~3
  const p = weights + at - floats(j)
  const ds = slopes + at - floats(j)
  const statistics = statisticsOf(args, g, i)
  const share = load<f32>(statistics + 4)
  if (share === 0 || !openRow(i, j, j + columns)) {
    zeros(p, j, j + end)
    return zeros(ds, j, j + end)
  }
  const start = nearest & ~3
  const stop = (beyond + 3) & ~3
  zeros(p, j, start)
  zeros(p, stop, j + end)
  zeros(ds, j, start)
  zeros(ds, stop, j + end)
  const largest = f32x4.splat(load<f32>(statistics))
  const shares = f32x4.splat(share)
  const mean = f32x4.splat(load<f32>(sums + floats(g * (last - first) + i - first)))
  const factor = f32x4.splat(scale)
  for (let at = floats(start); at < floats(stop); at += 16) {
    const mask = attended(<i32>(at >> 2))
    const c = scoreOf(v128.load(p + at))
    const weight = v128.and(f32x4.mul(exp(f32x4.sub(c, largest)), shares), mask)
    const change = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(ds + at), mean), factor), weight)
    v128.store(p + at, weight)
    v128.store(ds + at, v128.and(cap === 0 ? change : f32x4.mul(change, capSlope(c)), mask))
  }
}

/** 1 − (c/cap)² */
function capSlope(c: v128): v128 {
  const part = f32x4.div(c, f32x4.splat(cap))
  return f32x4.sub(f32x4.splat(1), f32x4.mul(part, part))
}
