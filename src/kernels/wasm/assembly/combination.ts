/**
 * z = f·x + h·y for a list of tensors, or z = f·x where there is no y. Every operation is rounded on its own, as in the reference.
 *
 * f is a number, or where a scalar tensor is given, what that holds: a factor that nobody has to read from the device.
 */
import { address, float, floats, int } from "./arguments"
import { BLOCK, blocksOf, endOf, entries, entry, firstOf, OWN } from "./lists"
import { combine, scale } from "./thin"

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

/** @see the head of this file */
export function combination(args: usize, chunk: i32, _scratch: usize): void {
  const scalar = address(args, SCALAR)
  const fx = scalar === 0 ? float(args, FX) : load<f32>(scalar)
  const fy = float(args, FY)
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
      const x = address(one, X) + at
      const y = address(one, Y)
      const z = address(one, Z) + at
      if (y === 0) scale(x, fx, z, to - from)
      else combine(x, fx, y + at, fy, z, to - from)
    }
    block += blocks
  }
}
