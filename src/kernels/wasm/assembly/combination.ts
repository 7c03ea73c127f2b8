/**
 * z = f·x + h·y for a list of tensors, or z = f·x where there is no y. Every operation is rounded on its own, as in the reference.
 *
 * f is a number, or where a scalar tensor is given, what that holds: a factor that nobody has to read from the device.
 */
import { address, float, floats, int } from "./arguments"
import { loadPart, storePart } from "./part"
import { BLOCK, blocksOf, endOf, entries, entry, firstOf, OWN } from "./lists"

// own words of the header
const FX: i32 = OWN
const FY: i32 = OWN + 1
const SCALAR: i32 = OWN + 2 // address of what stands for FX; 0: none
const OWN_WORDS: i32 = 3

// words of an entry
const X: i32 = 0
const Y: i32 = 1 // 0: none
const Z: i32 = 2
const SIZE: i32 = 3
const WORDS: i32 = 4

function scaled(x: usize, z: usize, count: i32, factor: v128): void {
  const end = x + floats(count & ~3)
  while (x < end) {
    v128.store(z, f32x4.mul(v128.load(x), factor))
    x += 16
    z += 16
  }
  const rest = count & 3
  if (rest !== 0) storePart(z, f32x4.mul(loadPart(x, rest), factor), rest)
}

function added(x: usize, y: usize, z: usize, count: i32, fx: v128, fy: v128): void {
  const end = x + floats(count & ~3)
  while (x < end) {
    v128.store(z, f32x4.add(f32x4.mul(v128.load(x), fx), f32x4.mul(v128.load(y), fy)))
    x += 16
    y += 16
    z += 16
  }
  const rest = count & 3
  if (rest === 0) return
  storePart(z, f32x4.add(f32x4.mul(loadPart(x, rest), fx), f32x4.mul(loadPart(y, rest), fy)), rest)
}

/** @see the head of this file */
export function combination(args: usize, chunk: i32, _scratch: usize): void {
  const scalar = address(args, SCALAR)
  const fx = f32x4.splat(scalar === 0 ? float(args, FX) : load<f32>(scalar))
  const fy = f32x4.splat(float(args, FY))
  const first = firstOf(args, chunk)
  const end = endOf(args, chunk)
  let block = 0
  for (let i = 0; i < entries(args); i++) {
    const one = entry(args, OWN_WORDS, WORDS, i)
    const size = int(one, SIZE)
    const blocks = blocksOf(size)
    const from = max(first - block, 0) * BLOCK
    const to = min(min(end - block, blocks) * BLOCK, size)
    const at = floats(from)
    if (from < to) {
      const y = address(one, Y)
      if (y === 0) scaled(address(one, X) + at, address(one, Z) + at, to - from, fx)
      else added(address(one, X) + at, y + at, address(one, Z) + at, to - from, fx, fy)
    }
    block += blocks
  }
}
