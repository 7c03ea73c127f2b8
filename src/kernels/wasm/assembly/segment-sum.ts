/**
 * gather       out[i] = table[ids[i]]                                a chunk is a range of rows; every id is one of the table's
 * segmentSum   out[s] = Σ over { i : ids[i] = s } of x[i]            a chunk is a range of columns, so that each sum has one order
 */
import { address, floats, int } from "./arguments"

const X: i32 = 0
const IDS: i32 = 1
const OUT: i32 = 2
const ROWS: i32 = 3 // of ids
const WIDTH: i32 = 4
const SEGMENTS: i32 = 5
const PER_CHUNK: i32 = 6

export function gather(args: usize, chunk: i32, _scratch: usize): void {
  const row = floats(int(args, WIDTH))
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, ROWS))
  for (let i = first; i < last; i++) {
    const id = load<i32>(address(args, IDS) + floats(i))
    memory.copy(address(args, OUT) + row * <usize>i, address(args, X) + row * <usize>id, row)
  }
}

/** Rows whose id is not a segment are dropped. */
export function segmentSum(args: usize, chunk: i32, _scratch: usize): void {
  const row = floats(int(args, WIDTH))
  const segments = int(args, SEGMENTS)
  const first = chunk * int(args, PER_CHUNK)
  const width = min(int(args, PER_CHUNK), int(args, WIDTH) - first)
  const out = address(args, OUT) + floats(first)
  for (let s = 0; s < segments; s++) memory.fill(out + row * <usize>s, 0, floats(width))
  for (let i = 0; i < int(args, ROWS); i++) {
    const id = load<i32>(address(args, IDS) + floats(i))
    if (<u32>id >= <u32>segments) continue
    let from = address(args, X) + row * <usize>i + floats(first)
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
