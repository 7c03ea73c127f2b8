/**
 * Rows of logits of a language model's head, and the rows of hidden states that they come from; equations in
 * `src/kernels/linear-cross-entropy.ts`. Which rows count stands in the arguments, behind the sizes: their numbers, and then their labels.
 */
import { address, float, floats, int } from "./arguments"
import { largest, log, sumOfExponentials } from "./cross-entropy"
import { exp } from "./exp"
import { loadPart, storePart } from "./part"

// gatherRows and placeRows
const FROM: i32 = 0
const TO: i32 = 1
const WIDTH: i32 = 2
const FIRST: i32 = 3 // rows of the target, first and behind the last
const END: i32 = 4
const COUNT: i32 = 5
const LIST: i32 = 6

/** Rows of the list, one behind another. One chunk. */
export function gatherRows(args: usize, _chunk: i32, _scratch: usize): void {
  const bytes = floats(int(args, WIDTH))
  const from = address(args, FROM)
  const to = address(args, TO)
  for (let i = 0; i < int(args, COUNT); i++)
    memory.copy(to + bytes * <usize>i, from + bytes * <usize>int(args, LIST + i), bytes)
}

/** Rows one behind another to the places of the list, which ascends; 0 to the other rows of a range. One chunk. */
export function placeRows(args: usize, _chunk: i32, _scratch: usize): void {
  const bytes = floats(int(args, WIDTH))
  const from = address(args, FROM)
  const to = address(args, TO)
  let next = int(args, FIRST)
  for (let i = 0; i < int(args, COUNT); i++) {
    const row = int(args, LIST + i)
    memory.fill(to + bytes * <usize>next, 0, bytes * <usize>(row - next))
    memory.copy(to + bytes * <usize>row, from + bytes * <usize>i, bytes)
    next = row + 1
  }
  memory.fill(to + bytes * <usize>next, 0, bytes * <usize>(int(args, END) - next))
}

// logitRows
const LOGITS: i32 = 0 // [rows, classes], of the rows that count
const CLASSES: i32 = 1
const ROWS: i32 = 2
const PER_CHUNK: i32 = 3
const CAP: i32 = 4 // 0: none
const LOSSES: i32 = 5 // [tokens]
const CORRECT: i32 = 6 // [tokens], or none: 1 where the largest logit is the label's
const SHARE: i32 = 7 // of a row in the loss
const SLOPES: i32 = 8 // 1: the logits' slopes take their place
const STRIDE: i32 = 9 // floats from row to row of the logits
const ROW_LIST: i32 = 10 // then the labels

/** A range of rows: losses, whether they are right, and slopes. */
export function logitRows(args: usize, chunk: i32, _scratch: usize): void {
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, ROWS))
  for (let i = first; i < last; i++) oneRow(args, i)
}

function oneRow(args: usize, i: i32): void {
  const classes = int(args, CLASSES)
  const cap = float(args, CAP)
  const share = float(args, SHARE)
  const at = floats(int(args, ROW_LIST + i))
  const label = int(args, ROW_LIST + int(args, ROWS) + i)
  const isClass = <u32>label < <u32>classes
  const z = address(args, LOGITS) + floats(int(args, STRIDE)) * <usize>i
  if (cap !== 0) capped(z, classes, cap)
  const m = largest(z, classes)
  const sum = sumOfExponentials(z, classes, m)
  const own = isClass ? <f64>load<f32>(z + floats(label)) - <f64>m : NaN
  store<f32>(address(args, LOSSES) + at, <f32>(log(<f64>sum) - own))
  const correct = address(args, CORRECT)
  if (correct !== 0) store<f32>(correct + at, isClass && isFirst(z, label, m) ? 1 : 0)
  if (int(args, SLOPES) === 0) return
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

// @ts-ignore: a decorator
@inline
function slopeOf(c: v128, m: f32, factor: f32, inverse: f32): v128 {
  const p = f32x4.mul(exp(f32x4.sub(c, f32x4.splat(m))), f32x4.splat(factor))
  if (inverse === 0) return p
  const part = f32x4.mul(c, f32x4.splat(inverse))
  return f32x4.mul(p, f32x4.sub(f32x4.splat(1), f32x4.mul(part, part)))
}
