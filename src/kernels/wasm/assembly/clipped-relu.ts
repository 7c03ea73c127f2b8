/** dx = dy where 0 < x ≤ most, 0 elsewhere. A chunk is a range of elements. */
import { address, float, floats, int } from "./arguments"
import { loadPart, storePart } from "./part"

const X: i32 = 0
const DY: i32 = 1
const DX: i32 = 2
const SIZE: i32 = 3
const PER_CHUNK: i32 = 4
const MOST: i32 = 5

// @ts-ignore: a decorator
@inline
function passed(x: v128, dy: v128, most: v128): v128 {
  return v128.and(dy, v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.le(x, most)))
}

export function clippedReluBackward(args: usize, chunk: i32, _scratch: usize): void {
  const first = chunk * int(args, PER_CHUNK)
  const count = min(int(args, PER_CHUNK), int(args, SIZE) - first)
  const most = f32x4.splat(float(args, MOST))
  let x = address(args, X) + floats(first)
  let dy = address(args, DY) + floats(first)
  let dx = address(args, DX) + floats(first)
  const end = x + floats(count & ~3)
  while (x < end) {
    v128.store(dx, passed(v128.load(x), v128.load(dy), most))
    x += 16
    dy += 16
    dx += 16
  }
  const rest = count & 3
  if (rest > 0) storePart(dx, passed(loadPart(x, rest), loadPart(dy, rest), most), rest)
}
