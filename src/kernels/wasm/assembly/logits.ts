/**
 * Rows of logits of a language model's head, and the rows of hidden states that they come from; equations in
 * `src/kernels/linear-cross-entropy.ts`. The entries are the rows that count, each with its label.
 */
import { largest, log, sumOfExponentials } from "./cross-entropy"
import { GatherRows, LogitRows, PlaceRows } from "./declared"
import { exp } from "./exp"
import { floats, loadPart, storePart } from "./vectors"

/** Rows of the list, one behind another. One chunk. */
export function gatherRows(args: GatherRows, _chunk: i32, _scratch: usize): void {
  const bytes = floats(args.width)
  const from = args.from
  const to = args.to
  for (let i = 0; i < args.entries; i++)
    memory.copy(to + bytes * <usize>i, from + bytes * <usize>args.entry(i).row, bytes)
}

/** Rows one behind another to the places of the list, which ascends; 0 to the other rows of a range. One chunk. */
export function placeRows(args: PlaceRows, _chunk: i32, _scratch: usize): void {
  const bytes = floats(args.width)
  const from = args.from
  const to = args.to
  let next = args.first
  for (let i = 0; i < args.entries; i++) {
    const row = args.entry(i).row
    memory.fill(to + bytes * <usize>next, 0, bytes * <usize>(row - next))
    memory.copy(to + bytes * <usize>row, from + bytes * <usize>i, bytes)
    next = row + 1
  }
  memory.fill(to + bytes * <usize>next, 0, bytes * <usize>(args.end - next))
}

/** A range of rows: losses, whether they are right, and slopes. */
export function logitRows(args: LogitRows, chunk: i32, _scratch: usize): void {
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.entries)
  for (let i = first; i < last; i++) oneRow(args, i)
}

function oneRow(args: LogitRows, i: i32): void {
  const classes = args.classes
  const cap = args.cap
  const share = args.share
  const at = floats(args.entry(i).row)
  const label = args.entry(i).label
  const isClass = <u32>label < <u32>classes
  const z = args.logits + floats(args.stride) * <usize>i
  if (cap !== 0) capped(z, classes, cap)
  const m = largest(z, classes)
  const sum = sumOfExponentials(z, classes, m)
  const own = isClass ? <f64>load<f32>(z + floats(label)) - <f64>m : NaN
  store<f32>(args.losses + at, <f32>(log(<f64>sum) - own))
  const correct = args.correct
  if (correct !== 0) store<f32>(correct + at, isClass && isFirst(z, label, m) ? 1 : 0)
  if (args.slopes === 0) return
  const own32 = isClass ? load<f32>(z + floats(label)) : 0
  slopes(z, classes, m, isClass ? share / sum : NaN, cap)
  if (isClass) store<f32>(z + floats(label), load<f32>(z + floats(label)) - share * capSlope(own32, cap))
}

/** Whether a place is the first that holds the largest number. */
function isFirst(z: usize, label: i32, m: f32): bool {
  if (load<f32>(z + floats(label)) !== m) return false
  for (let at = z; at < z + floats(label); at += 4) if (load<f32>(at) === m) return false
  return true
}

/** z ← cap·tanh(z/cap) */
function capped(z: usize, count: i32, cap: f32): void {
  const end = z + floats(count & ~3)
  for (; z < end; z += 16) v128.store(z, cappedOf(v128.load(z), cap))
  const rest = count & 3
  if (rest !== 0) storePart(z, cappedOf(loadPart(z, rest), cap), rest)
}

/** cap − 2·cap/(exp(2·z/cap) + 1) */
function cappedOf(z: v128, cap: f32): v128 {
  const e = exp(f32x4.mul(z, f32x4.splat(2 / cap)))
  return f32x4.sub(f32x4.splat(cap), f32x4.div(f32x4.splat(2 * cap), f32x4.add(e, f32x4.splat(1))))
}

/** 1 − (c/cap)² */
function capSlope(c: f32, cap: f32): f32 {
  return cap === 0 ? 1 : 1 - (c / cap) * (c / cap)
}

/** c ← exp(c − m)·factor, times the slope of the cap */
function slopes(c: usize, count: i32, m: f32, factor: f32, cap: f32): void {
  const inverse: f32 = cap === 0 ? 0 : 1 / cap
  const end = c + floats(count & ~3)
  for (; c < end; c += 16) v128.store(c, slopeOf(v128.load(c), m, factor, inverse))
  const rest = count & 3
  if (rest !== 0) storePart(c, slopeOf(loadPart(c, rest), m, factor, inverse), rest)
}

@inline
function slopeOf(c: v128, m: f32, factor: f32, inverse: f32): v128 {
  const p = f32x4.mul(exp(f32x4.sub(c, f32x4.splat(m))), f32x4.splat(factor))
  if (inverse === 0) return p
  const part = f32x4.mul(c, f32x4.splat(inverse))
  return f32x4.mul(p, f32x4.sub(f32x4.splat(1), f32x4.mul(part, part)))
}
