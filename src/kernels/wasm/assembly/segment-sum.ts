/**
 * gather       out[i] = table[ids[i]]                                a chunk is a range of rows; every id is one of the table's
 * segmentSum   out[s] = Σ over { i : ids[i] = s } of x[i]            a chunk is a range of columns, so that each sum has one order
 */
import { Gather, SegmentSum } from "./declared"
import { floats } from "./vectors"

export function gather(args: Gather, chunk: i32, _scratch: usize): void {
  const row = floats(args.width)
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.rows)
  for (let i = first; i < last; i++) {
    const id = load<i32>(args.ids + floats(i))
    memory.copy(args.out + row * <usize>i, args.x + row * <usize>id, row)
  }
}

/** Rows whose id is not a segment are dropped. */
export function segmentSum(args: SegmentSum, chunk: i32, _scratch: usize): void {
  const row = floats(args.width)
  const segments = args.segments
  const first = chunk * args.perChunk
  const width = min(args.perChunk, args.width - first)
  const out = args.out + floats(first)
  for (let s = 0; s < segments; s++) memory.fill(out + row * <usize>s, 0, floats(width))
  for (let i = 0; i < args.rows; i++) {
    const id = load<i32>(args.ids + floats(i))
    if (<u32>id >= <u32>segments) continue
    let from = args.x + row * <usize>i + floats(first)
    let to = out + row * <usize>id
    const whole = from + floats(width & ~3)
    const end = from + floats(width)
    while (from < whole) {
      v128.store(to, f32x4.add(v128.load(to), v128.load(from)))
      from += 16
      to += 16
    }
    while (from < end) {
      store<f32>(to, load<f32>(to) + load<f32>(from))
      from += 4
      to += 4
    }
  }
}
