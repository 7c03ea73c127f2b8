/**
 * What causal attention forward and backward have in common: a chunk's sizes, and which keys a query attends. Equations and shapes in
 * `src/kernels/causal-attention.ts`.
 *
 * A chunk is a head of keys and values of one row of the batch, with the query heads that share it, and a part of the queries. Query
 * i is at t = i + (keys − queries), its token among the keys.
 */
import { CausalAttention } from "./declared"
import { exp } from "./exp"
import { floats, total } from "./vectors"

// the chunk's: module variables, one copy a thread
export let queries: i32 = 0
export let keys: i32 = 0
export let heads: i32 = 0
export let group: i32 = 0
export let d: i32 = 0
export let scale: f32 = 0
export let window: i32 = 0
export let cap: f32 = 0
/** of the batch */
export let row: i32 = 0
export let part: i32 = 0
/** the first query head of the group */
export let firstHead: i32 = 0
/** queries of the part: the first, and one past the last */
export let first: i32 = 0
export let last: i32 = 0
/** bytes from token to token */
export let queryStride: usize = 0
export let keyStride: usize = 0
/** from the start of k or v to the chunk's head */
export let keyOffset: usize = 0
let querySegments: usize = 0
/** of the row's keys, with room for a vector after them */
let keySegments: usize = 0

/** Returns the end of what it takes of the scratch: keys + 16 floats. */
export function open(args: CausalAttention, chunk: i32, scratch: usize): usize {
  queries = args.queries
  keys = args.keys
  heads = args.heads
  d = args.d
  scale = args.scale
  window = args.window
  cap = args.cap
  const keyValueHeads = args.keyValueHeads
  group = heads / keyValueHeads
  // later parts attend more keys: they come first, so that no thread is left with one of them at the end
  const matrices = args.matrices
  part = args.parts - 1 - chunk / matrices
  row = (chunk % matrices) / keyValueHeads
  const own = (chunk % matrices) % keyValueHeads
  firstHead = own * group
  first = part * args.perPart
  last = min(first + args.perPart, queries)
  queryStride = floats(heads * d)
  keyStride = floats(keyValueHeads * d)
  keyOffset = keyStride * <usize>(row * keys) + floats(own * d)
  querySegments = args.querySegments + floats(row * queries)
  keySegments = scratch
  memory.copy(scratch, args.keySegments + floats(row * keys), floats(keys))
  memory.fill(scratch + floats(keys), 0xff, 64)
  return scratch + floats(keys + 16)
}

/** From the start of q, O or their gradients to query i of head g of the group. */
export function queryOffset(g: i32, i: i32): usize {
  return queryStride * <usize>(row * queries + i) + floats((firstHead + g) * d)
}

/** The statistics of query i of head g. */
export function statisticsOf(args: CausalAttention, g: i32, i: i32): usize {
  return args.statistics + (<usize>((row * heads + firstHead + g) * queries + i) << 3)
}

/** The key at query i's own token. */
export function place(i: i32): i32 {
  return i + keys - queries
}

export function segmentOf(i: i32): i32 {
  return load<i32>(querySegments + floats(i))
}

// the segments that some queries have, and the keys that these may attend
let lowest: i32 = 0
let highest: i32 = 0
export let from: i32 = 0
export let to: i32 = 0

/** Finds from … to − 1 within [after, before): all keys that queries i … i + rows − 1 attend lie there. May be empty. */
export function findKeys(i: i32, rows: i32, after: i32, before: i32): void {
  lowest = i32.MAX_VALUE
  highest = -1
  for (let r = i; r < i + rows; r++) {
    const segment = segmentOf(r)
    if (segment < 0) continue
    lowest = min(lowest, segment)
    highest = max(highest, segment)
  }
  from = max(after, place(i) - window + 1)
  to = min(before, place(i + rows - 1) + 1)
  while (from < to && !isNear(from)) from++
  while (from < to && !isNear(to - 1)) to--
}

function isNear(key: i32): bool {
  const segment = load<i32>(keySegments + floats(key))
  return segment >= lowest && segment <= highest
}

/** The score of four products. */
@inline
export function scoreOf(product: v128): v128 {
  const s = f32x4.mul(product, f32x4.splat(scale))
  if (cap === 0) return s
  // cap·tanh(s/cap) = cap − 2·cap/(exp(2·s/cap) + 1)
  const e = exp(f32x4.mul(s, f32x4.splat(2 / cap)))
  return f32x4.sub(f32x4.splat(cap), f32x4.div(f32x4.splat(2 * cap), f32x4.add(e, f32x4.splat(1))))
}

// of the query whose row is worked on: its segment, and the keys that it may attend, the first and one past the last
let segment: i32 = 0
export let nearest: i32 = 0
export let beyond: i32 = 0

/** Query i, within keys [after, before). False where it attends none of them, whatever their segments are. */
export function openRow(i: i32, after: i32, before: i32): bool {
  segment = segmentOf(i)
  nearest = max(after, place(i) - window + 1)
  beyond = min(before, place(i) + 1)
  return segment >= 0 && nearest < beyond
}

/** Which of keys j … j + 3 the query attends. */
@inline
export function attended(j: i32): v128 {
  const index = i32x4.add(i32x4.splat(j), i32x4(0, 1, 2, 3))
  const inside = v128.and(i32x4.ge_s(index, i32x4.splat(nearest)), i32x4.lt_s(index, i32x4.splat(beyond)))
  return v128.and(inside, i32x4.eq(v128.load(keySegments + floats(j)), i32x4.splat(segment)))
}

/** Of the row that `exponentials` made: as STATISTICS. */
let largest: f32 = 0
let share: f32 = 0

/**
 * exp(score − largest) from products, in place, for query i and keys [after, before), which are multiples of 4; 0 for keys that it does
 * not attend. Key j is at s + 4j.
 */
export function exponentials(s: usize, i: i32, after: i32, before: i32): void {
  largest = 0
  share = 0
  if (!openRow(i, after, before)) return zeros(s, after, before)
  const start = nearest & ~3
  const end = (beyond + 3) & ~3
  zeros(s, after, start)
  zeros(s, end, before)
  let most = f32x4.splat(-Infinity)
  let any = i32x4.splat(0)
  for (let j = start; j < end; j += 4) {
    const mask = attended(j)
    const x = v128.bitselect(scoreOf(v128.load(s + floats(j))), f32x4.splat(-Infinity), mask)
    v128.store(s + floats(j), x)
    most = f32x4.pmax(most, x)
    any = v128.or(any, mask)
  }
  if (!v128.any_true(any)) return zeros(s, start, end)
  const first = max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1))
  largest = max(first, max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)))
  const top = f32x4.splat(largest)
  let sum = f32x4.splat(0)
  for (let at = s + floats(start); at < s + floats(end); at += 16) {
    const e = exp(f32x4.sub(v128.load(at), top))
    v128.store(at, e)
    sum = f32x4.add(sum, e)
  }
  share = 1 / total(sum)
}

/** Keeps what `exponentials` has just found of query i of head g. */
export function keepStatistics(args: CausalAttention, g: i32, i: i32): void {
  const statistics = statisticsOf(args, g, i)
  store<f32>(statistics, largest)
  store<f32>(statistics + 4, share)
}

/** Keys [after, before) of a row get 0. */
export function zeros(s: usize, after: i32, before: i32): void {
  if (after < before) memory.fill(s + floats(after), 0, floats(before - after))
}
