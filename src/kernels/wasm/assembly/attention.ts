/**
 * Attention, a sequence's head at a time; equations and shapes in `src/kernels/attention.ts`.
 *
 * A head is a column range of [tokens, heads·d] and is read and written there. Three rows of queries go through everything: their
 * scores, softmax and output stay in the first cache; P is written out where it is kept, and in the backward pass dS [length, padded length]
 * stays in scratch, since dK needs its columns.
 *
 * Heads are independent, so which thread has which changes no bit.
 */
import { Attention, AttentionGradient } from "./declared"
import { exp } from "./exp"
import { packColumns, packRows, padded, strip } from "./panels"
import { floats } from "./vectors"

// the chunk's sizes: module variables, one copy a thread
let length: i32 = 0
let heads: i32 = 0
let d: i32 = 0
let scale: f32 = 0
/** bytes from token to token */
let stride: usize = 0
/** bytes of a row of scores, and of a head's row, with room for the last panel */
let scoreBytes: usize = 0
let headBytes: usize = 0

function open(queries: i32, headsOfRow: i32, width: i32, factor: f32): void {
  length = queries
  heads = headsOfRow
  d = width
  scale = factor
  stride = floats(heads * d)
  scoreBytes = floats(padded(length))
  headBytes = floats(padded(d))
}

/** Bytes from the start of a tensor [tokens, heads·d] to a head. */
function offset(matrix: i32): usize {
  return stride * <usize>((matrix / heads) * length) + floats((matrix % heads) * d)
}

function larger(a: usize, b: usize): usize {
  return a > b ? a : b
}

/** Needs a scratch of 4 padded rows of scores, 3 of a head, and the panels of K and V. */
export function attention(args: Attention, chunk: i32, scratch: usize): void {
  open(args.length, args.heads, args.d, args.scale)
  const count = args.perChunk
  const end = min((chunk + 1) * count, args.matrices)
  for (let matrix = chunk * count; matrix < end; matrix++) forward(args, matrix, scratch)
}

function forward(args: Attention, matrix: i32, scratch: usize): void {
  const at = offset(matrix)
  const q = args.q + at
  const o = args.o + at
  // where nothing keeps P, its rows take the place of their scores
  const kept = args.p !== 0
  const p = args.p + floats(matrix * length) * <usize>length
  const mask = scratch
  const scores = mask + scoreBytes
  const block = scores + 3 * scoreBytes
  const keys = block + 3 * headBytes
  const values = keys + scoreBytes * <usize>d
  maskRow(args.mask + floats((matrix / heads) * length), mask)
  packColumns(args.k + at, stride, d, length, keys)
  packRows(args.v + at, stride, length, d, values)
  const last = length - 1
  for (let i = 0; i < length; i += 3) {
    const i0 = <usize>i
    const i1 = <usize>min(i + 1, last)
    const i2 = <usize>min(i + 2, last)
    const s1 = scores + scoreBytes
    const s2 = s1 + scoreBytes
    strip(q + stride * i0, q + stride * i1, q + stride * i2, 4, keys, d, length, scores, s1, s2)
    const row = floats(length)
    const p0 = kept ? p + row * i0 : scores
    const p1 = kept ? p + row * i1 : s1
    const p2 = kept ? p + row * i2 : s2
    softmax(scores, mask, p0)
    softmax(s1, mask, p1)
    softmax(s2, mask, p2)
    toHead(p0, p1, p2, 4, values, o, i, block)
  }
}

/** The additive mask of a sequence; columns that mean nothing get no weight. */
function maskRow(from: usize, to: usize): void {
  const end = to + scoreBytes
  const last = to + floats(length)
  while (to < end) {
    store<f32>(to, to < last ? load<f32>(from) : -Infinity)
    from += 4
    to += 4
  }
}

/** p = softmax(scale·s + mask). NaN in a score makes the sum NaN, and with it the row. */
function softmax(s: usize, mask: usize, p: usize): void {
  const end = s + scoreBytes
  const factor = f32x4.splat(scale)
  let highest = f32x4.splat(-Infinity)
  for (let at = s; at < end; at += 16) {
    const x = f32x4.add(f32x4.mul(v128.load(at), factor), v128.load(mask))
    v128.store(at, x)
    highest = f32x4.pmax(highest, x)
    mask += 16
  }
  const top = f32x4.splat(highestOf(highest))
  let sum = f32x4.splat(0)
  for (let at = s; at < end; at += 16) {
    const e = exp(f32x4.sub(v128.load(at), top))
    v128.store(at, e)
    sum = f32x4.add(sum, e)
  }
  const share: f32 = 1 / total(sum)
  const shares = f32x4.splat(share)
  const whole = p + floats(length & ~3)
  const rest = p + floats(length)
  while (p < whole) {
    v128.store(p, f32x4.mul(v128.load(s), shares))
    p += 16
    s += 16
  }
  while (p < rest) {
    store<f32>(p, load<f32>(s) * share)
    p += 4
    s += 4
  }
}

function highestOf(x: v128): f32 {
  const first = max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1))
  return max(first, max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)))
}

function total(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
}

/** Rows i … i + 2 of a head = three rows (columns) of A · panels of `length` rows; through `block` where d fills no panels. */
function toHead(
  a0: usize,
  a1: usize,
  a2: usize,
  step: usize,
  panels: usize,
  head: usize,
  i: i32,
  block: usize
): void {
  const c0 = head + stride * <usize>i
  const c1 = head + stride * <usize>min(i + 1, length - 1)
  const c2 = head + stride * <usize>min(i + 2, length - 1)
  if (floats(d) === headBytes) return strip(a0, a1, a2, step, panels, length, d, c0, c1, c2)
  strip(a0, a1, a2, step, panels, length, d, block, block + headBytes, block + 2 * headBytes)
  for (let j: usize = 0; j < floats(d); j += 4) {
    store<f32>(c0 + j, load<f32>(block + j))
    store<f32>(c1 + j, load<f32>(block + headBytes + j))
    store<f32>(c2 + j, load<f32>(block + 2 * headBytes + j))
  }
}

/** Needs a scratch of 3 padded rows of a head, a padded matrix of scores, and panels for one product each way. */
export function attentionGradient(args: AttentionGradient, chunk: i32, scratch: usize): void {
  open(args.length, args.heads, args.d, args.scale)
  const count = args.perChunk
  const end = min((chunk + 1) * count, args.matrices)
  for (let matrix = chunk * count; matrix < end; matrix++) backward(args, matrix, scratch)
}

function backward(args: AttentionGradient, matrix: i32, scratch: usize): void {
  const at = offset(matrix)
  const dO = args.dO + at
  const p = args.p + floats(matrix * length) * <usize>length
  const row = floats(length)
  const block = scratch
  const dS = block + 3 * headBytes
  const first = dS + scoreBytes * <usize>length
  const second = first + larger(scoreBytes * <usize>d, headBytes * <usize>length)
  packColumns(args.v + at, stride, d, length, first)
  packRows(args.k + at, stride, length, d, second)
  forQueries(dO, p, dS, first, second, args.dq + at, block)
  packRows(dO, stride, length, d, first)
  forKeys(p, row, first, args.dv + at, block)
  packRows(args.q + at, stride, length, d, first)
  forKeys(dS, scoreBytes, first, args.dk + at, block)
}

/** dS and dQ, three queries at a time. */
function forQueries(dO: usize, p: usize, dS: usize, values: usize, keys: usize, dQ: usize, block: usize): void {
  const last = length - 1
  for (let i = 0; i < length; i += 3) {
    const i0 = <usize>i
    const i1 = <usize>min(i + 1, last)
    const i2 = <usize>min(i + 2, last)
    const s0 = dS + scoreBytes * i0
    const s1 = dS + scoreBytes * i1
    const s2 = dS + scoreBytes * i2
    strip(dO + stride * i0, dO + stride * i1, dO + stride * i2, 4, values, d, length, s0, s1, s2)
    for (let r = i; r < min(i + 3, length); r++) slope(dS + scoreBytes * <usize>r, p + floats(r) * <usize>length)
    toHead(s0, s1, s2, 4, keys, dQ, i, block)
  }
}

/** Rows of dK or dV = columns of dS or P · panels. */
function forKeys(scores: usize, step: usize, panels: usize, head: usize, block: usize): void {
  for (let i = 0; i < length; i += 3) {
    const a1 = scores + floats(min(i + 1, length - 1))
    const a2 = scores + floats(min(i + 2, length - 1))
    toHead(scores + floats(i), a1, a2, step, panels, head, i, block)
  }
}

/** s ← scale·p∘(s − Σ s∘p), a row. */
function slope(s: usize, p: usize): void {
  const whole = s + floats(length & ~3)
  const end = s + floats(length)
  let sum = f32x4.splat(0)
  let at = s
  let weight = p
  for (; at < whole; at += 16) {
    sum = f32x4.add(sum, f32x4.mul(v128.load(at), v128.load(weight)))
    weight += 16
  }
  let mean = total(sum)
  for (; at < end; at += 4) {
    mean += load<f32>(at) * load<f32>(weight)
    weight += 4
  }
  const means = f32x4.splat(mean)
  for (; s < whole; s += 16) {
    v128.store(s, f32x4.mul(f32x4.mul(f32x4.sub(v128.load(s), means), f32x4.splat(scale)), v128.load(p)))
    p += 16
  }
  for (; s < end; s += 4) {
    store<f32>(s, (load<f32>(s) - mean) * scale * load<f32>(p))
    p += 4
  }
}
