/** Dropout; equations and hash in `src/kernels/dropout.ts`. Chunks are ranges of elements. */
import { address, float, floats, int } from "./arguments"
import { loadPart, storePart } from "./part"

const X: i32 = 0
const Y: i32 = 1
const SIZE: i32 = 2
const PER_CHUNK: i32 = 3
const OFFSET: i32 = 4
const SEED: i32 = 5
const THRESHOLD: i32 = 6
const SCALE: i32 = 7

/** One step of a linear congruential generator modulo 2³². */
// @ts-ignore: a decorator
@inline
function step(word: i32): i32 {
  return word * 1664525 + 1013904223
}

/** All bits set where the number of this index is kept. `y`, `z`: offset and seed, a step on. */
// @ts-ignore: a decorator
@inline
function kept(index: v128, y: i32, z: i32, threshold: v128): v128 {
  let a = i32x4.add(i32x4.mul(index, i32x4.splat(1664525)), i32x4.splat(1013904223 + y * z))
  let b = i32x4.add(i32x4.mul(a, i32x4.splat(z)), i32x4.splat(y))
  let c = i32x4.add(i32x4.mul(a, b), i32x4.splat(z))
  a = v128.xor(a, i32x4.shr_u(a, 16))
  b = v128.xor(b, i32x4.shr_u(b, 16))
  c = v128.xor(c, i32x4.shr_u(c, 16))
  return i32x4.ge_u(i32x4.add(a, i32x4.mul(b, c)), threshold)
}

export function dropout(args: usize, chunk: i32, _scratch: usize): void {
  const first = chunk * int(args, PER_CHUNK)
  const count = min(int(args, PER_CHUNK), int(args, SIZE) - first)
  const offset = step(int(args, OFFSET))
  const seed = step(int(args, SEED))
  const threshold = i32x4.splat(int(args, THRESHOLD))
  const scale = f32x4.splat(float(args, SCALE))
  let index = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  let x = address(args, X) + floats(first)
  let y = address(args, Y) + floats(first)
  const end = x + floats(count & ~3)
  while (x < end) {
    v128.store(y, v128.and(f32x4.mul(v128.load(x), scale), kept(index, offset, seed, threshold)))
    index = i32x4.add(index, i32x4.splat(4))
    x += 16
    y += 16
  }
  const rest = count & 3
  if (rest > 0) {
    storePart(y, v128.and(f32x4.mul(loadPart(x, rest), scale), kept(index, offset, seed, threshold)), rest)
  }
}
