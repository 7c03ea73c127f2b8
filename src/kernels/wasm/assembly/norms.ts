/**
 * Σ x² of each tensor of a list, accumulated in float64.
 *
 * Two pieces of work: `squaresOfBlocks` makes one sum a block, `squaredNorms` adds each tensor's in order. A block is a function of
 * the shapes alone, so the number of threads changes no bit.
 */
import { SquaredNorms, SquaresOfBlocks } from "./declared"
import { BLOCK, blocksOf } from "./lists"
import { floats, loadPart } from "./vectors"

/** v² in float64, added to two lanes. */
function squares(v: v128, sum: v128): v128 {
  const low = f64x2.promote_low_f32x4(v)
  const high = f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3))
  return f64x2.add(f64x2.add(sum, f64x2.mul(low, low)), f64x2.mul(high, high))
}

/** Four chains of sums, since one would wait for each of its additions. */
function sumOfSquares(x: usize, count: i32): f64 {
  let s0 = f64x2.splat(0)
  let s1 = f64x2.splat(0)
  let s2 = f64x2.splat(0)
  let s3 = f64x2.splat(0)
  const end = x + floats(count & ~15)
  while (x < end) {
    s0 = squares(v128.load(x), s0)
    s1 = squares(v128.load(x, 16), s1)
    s2 = squares(v128.load(x, 32), s2)
    s3 = squares(v128.load(x, 48), s3)
    x += 64
  }
  for (let rest = count & 15; rest > 0; rest -= 4) {
    s0 = squares(rest < 4 ? loadPart(x, rest) : v128.load(x), s0)
    x += 16
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3))
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1)
}

/** @see the head of this file */
export function squaresOfBlocks(args: SquaresOfBlocks, chunk: i32, _scratch: usize): void {
  const first = chunk * args.perChunk
  const end = first + args.perChunk
  const parts = args.parts
  let block = 0
  for (let i = 0; i < args.entries; i++) {
    const one = args.entry(i)
    const size = one.size
    const blocks = blocksOf(size)
    for (let b = max(first - block, 0); b < min(end - block, blocks); b++) {
      const from = b * BLOCK
      const sum = sumOfSquares(one.x + floats(from), min(BLOCK, size - from))
      store<f64>(parts + ((<usize>(block + b)) << 3), sum)
    }
    block += blocks
  }
}

/** One chunk. */
export function squaredNorms(args: SquaredNorms, _chunk: i32, _scratch: usize): void {
  let part = args.parts
  let norm = args.norms
  for (let i = 0; i < args.entries; i++) {
    let sum: f64 = 0
    for (let b = blocksOf(args.entry(i).size); b > 0; b--) {
      sum += load<f64>(part)
      part += 8
    }
    store<f32>(norm, <f32>sum)
    norm += 4
  }
}
