/** SwiGLU, forward and backward; equations as in `src/kernels/swiglu.ts`. A chunk is a range of elements. */
import { address, floats, int } from "./arguments"
import { exp } from "./exp"
import { madd } from "./madd"
import { loadPart, storePart } from "./part"

const GATE: i32 = 0
const UP: i32 = 1
const Y: i32 = 2
const SILU: i32 = 3
const SLOPE: i32 = 4
const SIZE: i32 = 5
const PER_CHUNK: i32 = 6

/** y, silu and slope. Of σ and 1 − σ the smaller is e·q, e = exp(−|gate|), q = 1/(1 + e), and the other q. */
// @ts-ignore: a decorator
@inline
function gated(gateAt: usize, upAt: usize, y: usize, siluAt: usize, slope: usize): void {
  const one = f32x4.splat(1)
  const gate = v128.load(gateAt)
  const up = v128.load(upAt)
  const e = exp(f32x4.neg(f32x4.abs(gate)))
  const q = f32x4.div(one, f32x4.add(one, e))
  const smaller = f32x4.mul(e, q)
  const negative = f32x4.lt(gate, f32x4.splat(0))
  const sigma = v128.bitselect(smaller, q, negative)
  const rest = v128.bitselect(q, smaller, negative)
  const silu = f32x4.mul(gate, sigma)
  v128.store(y, f32x4.mul(silu, up))
  v128.store(siluAt, silu)
  v128.store(slope, f32x4.mul(up, madd(silu, rest, sigma)))
}

/** Scratch: 80 bytes, for the last few elements, where they do not fill a vector. */
export function swiglu(args: usize, chunk: i32, scratch: usize): void {
  const first = chunk * int(args, PER_CHUNK)
  const count = min(int(args, PER_CHUNK), int(args, SIZE) - first)
  const offset = floats(first)
  let gate = address(args, GATE) + offset
  let up = address(args, UP) + offset
  let y = address(args, Y) + offset
  let silu = address(args, SILU) + offset
  let slope = address(args, SLOPE) + offset
  const end = gate + floats(count & ~3)
  while (gate < end) {
    gated(gate, up, y, silu, slope)
    gate += 16
    up += 16
    y += 16
    silu += 16
    slope += 16
  }
  const rest = floats(count & 3)
  if (rest === 0) return
  memory.copy(scratch, gate, rest)
  memory.copy(scratch + 16, up, rest)
  gated(scratch, scratch + 16, scratch + 32, scratch + 48, scratch + 64)
  memory.copy(y, scratch + 32, rest)
  memory.copy(silu, scratch + 48, rest)
  memory.copy(slope, scratch + 64, rest)
}

const DY: i32 = 0
const SILU_BACKWARD: i32 = 1
const SLOPE_BACKWARD: i32 = 2
const DGATE: i32 = 3
const DUP: i32 = 4

/** dgate and dup. */
export function swigluBackward(args: usize, chunk: i32, _scratch: usize): void {
  const first = chunk * int(args, PER_CHUNK)
  const count = min(int(args, PER_CHUNK), int(args, SIZE) - first)
  const offset = floats(first)
  let dy = address(args, DY) + offset
  let silu = address(args, SILU_BACKWARD) + offset
  let slope = address(args, SLOPE_BACKWARD) + offset
  let dgate = address(args, DGATE) + offset
  let dup = address(args, DUP) + offset
  const end = dy + floats(count & ~3)
  while (dy < end) {
    const d = v128.load(dy)
    v128.store(dgate, f32x4.mul(d, v128.load(slope)))
    v128.store(dup, f32x4.mul(d, v128.load(silu)))
    dy += 16
    silu += 16
    slope += 16
    dgate += 16
    dup += 16
  }
  const rest = count & 3
  if (rest === 0) return
  const d = loadPart(dy, rest)
  storePart(dgate, f32x4.mul(d, loadPart(slope, rest)), rest)
  storePart(dup, f32x4.mul(d, loadPart(silu, rest)), rest)
}
