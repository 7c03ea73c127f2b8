/**
 * out[b, j, i] = x[b, i, j]: transposition in tiles, whose rows and columns stay in the first cache, of squares of four by four. A chunk
 * is a band of rows of `out` (columns of x).
 */
import { Transpose } from "./declared"
import { floats } from "./vectors"

const TILE: i32 = 32

/** Four rows of x, `from` bytes apart, to four of out, `to` bytes apart. */
function square(x: usize, from: usize, out: usize, to: usize): void {
  const a = v128.load(x)
  const b = v128.load(x + from)
  const c = v128.load(x + 2 * from)
  const d = v128.load(x + 3 * from)
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
  const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
  const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
  v128.store(out, v128.shuffle<f64>(ab, cd, 0, 2))
  v128.store(out + to, v128.shuffle<f64>(ab, cd, 1, 3))
  v128.store(out + 2 * to, v128.shuffle<f64>(abHigh, cdHigh, 0, 2))
  v128.store(out + 3 * to, v128.shuffle<f64>(abHigh, cdHigh, 1, 3))
}

/** A tile of `rows` × `columns` of x. */
function tile(x: usize, from: usize, rows: i32, columns: i32, out: usize, to: usize): void {
  const wholeRows = rows & ~3
  const wholeColumns = columns & ~3
  for (let j = 0; j < wholeColumns; j += 4) {
    for (let i = 0; i < wholeRows; i += 4) {
      square(x + from * <usize>i + floats(j), from, out + to * <usize>j + floats(i), to)
    }
  }
  for (let j = 0; j < columns; j++) {
    for (let i = j < wholeColumns ? wholeRows : 0; i < rows; i++) {
      store<f32>(out + to * <usize>j + floats(i), load<f32>(x + from * <usize>i + floats(j)))
    }
  }
}

export function transpose(args: Transpose, chunk: i32, _scratch: usize): void {
  const m = args.m
  const n = args.n
  const bands = (n + args.perChunk - 1) / args.perChunk
  const matrix = floats(m) * <usize>n * <usize>(chunk / bands)
  const x = args.x + matrix
  const out = args.out + matrix
  const first = (chunk % bands) * args.perChunk
  const last = min(first + args.perChunk, n)
  const from = floats(n)
  const to = floats(m)
  for (let i = 0; i < m; i += TILE) {
    for (let j = first; j < last; j += TILE) {
      const source = x + from * <usize>i + floats(j)
      tile(source, from, min(TILE, m - i), min(TILE, last - j), out + to * <usize>j + floats(i), to)
    }
  }
}
