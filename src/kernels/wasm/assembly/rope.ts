/** Rotary positions; equations in `src/kernels/rope.ts`. Chunks are ranges of tokens. */
import { Rope } from "./declared"
import { floats, loadPart, madd, storePart } from "./vectors"

export function rope(args: Rope, chunk: i32, _scratch: usize): void {
  const heads = args.heads
  const d = args.d
  const sign = f32x4.splat(args.direction)
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.tokens)
  for (let t = first; t < last; t++) {
    const cos = args.cos + floats(d) * <usize>t
    const sin = args.sin + floats(d) * <usize>t
    const at = floats(heads * d) * <usize>t
    for (let h = 0; h < heads; h++) {
      const head = at + floats(h * d)
      turn(args.x + head, cos, sin, sign, args.out + head, d / 2)
    }
  }
}

/** A head of a token; `half`: of its columns. */
function turn(x: usize, cos: usize, sin: usize, sign: v128, to: usize, half: i32): void {
  const other = floats(half)
  const end = x + floats(half & ~3)
  while (x < end) {
    const x1 = v128.load(x)
    const x2 = v128.load(x + other)
    v128.store(to, firstOf(x1, x2, v128.load(cos), f32x4.mul(sign, v128.load(sin))))
    v128.store(to + other, secondOf(x1, x2, v128.load(cos + other), f32x4.mul(sign, v128.load(sin + other))))
    x += 16
    cos += 16
    sin += 16
    to += 16
  }
  const rest = half & 3
  if (rest === 0) return
  const x1 = loadPart(x, rest)
  const x2 = loadPart(x + other, rest)
  storePart(to, firstOf(x1, x2, loadPart(cos, rest), f32x4.mul(sign, loadPart(sin, rest))), rest)
  const s2 = f32x4.mul(sign, loadPart(sin + other, rest))
  storePart(to + other, secondOf(x1, x2, loadPart(cos + other, rest), s2), rest)
}

@inline
function firstOf(x1: v128, x2: v128, cos: v128, sin: v128): v128 {
  return madd(x1, cos, f32x4.neg(f32x4.mul(x2, sin)))
}

@inline
function secondOf(x1: v128, x2: v128, cos: v128, sin: v128): v128 {
  return madd(x2, cos, f32x4.mul(x1, sin))
}
