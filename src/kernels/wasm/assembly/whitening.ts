/**
 * LoRA-Pro's whitening matrices of a list of factor pairs: all that a step has to know of B and A, from Gram matrix to float32 in one
 * place. Their definition is in `src/optimizers/whitening.ts`; a direction that is not in the span of a factor gets zeros there
 * (its eigenvectors would multiply nothing but round-off).
 *
 *   out: T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A, S, each [r, r]; smallest: λ_min(BᵀB)
 *
 * A chunk is a pair, or many.
 */
import { Whitening, WhiteningEntry } from "./declared"
import { cholesky, orthogonalize, strideOf } from "./eigen"
import { gramOfColumns, gramOfRows } from "./gram"
import { tridiagonal } from "./tridiagonal"
import { floats } from "./vectors"

/** From this rank on the way over a tridiagonal matrix is twice as fast, and more. */
const TRIDIAGONAL: i32 = 24

/** The factor of an eigenvector that is stored with its length √λ: 1 / (√λ·√(λ+δ)). */
function factorOf(value: f64, damping: f64): f64 {
  return value > 0 ? 1 / (sqrt(value) * sqrt(value + damping)) : 0
}

/** T [r, r] and s⁻²·T, one of them transposed: `straight[i, j]` = T[i, j]·f, `transposed[j, i]` = T[i, j]·g. */
function write(columns: usize, values: usize, rank: i32, r: i32, d: f64, straight: usize, f: f64, transposed: usize, g: f64): void {
  const stride = strideOf(r)
  for (let j = 0; j < r; j++) {
    const row = columns + <usize>j * stride
    const factor = j < rank ? factorOf(load<f64>(values + ((<usize>j) << 3)), d) : 0
    for (let i = 0; i < r; i++) {
      const value = j < rank ? load<f64>(row + ((<usize>i) << 3)) * factor : 0
      store<f32>(straight + floats(i * r + j), <f32>(value * f))
      store<f32>(transposed + floats(j * r + i), <f32>(value * g))
    }
  }
}

/** Eigenvalues into `values` [r], 0 beyond the rank; answers the rank, or −1 where G is not finite. */
function decompose(gram: usize, r: i32, columns: usize, values: usize, spare: usize): i32 {
  const stride = strideOf(r)
  let trace: f64 = 0
  for (let i = 0; i < r; i++) trace += load<f64>(gram + <usize>i * stride + ((<usize>i) << 3))
  if (trace - trace !== 0) return -1
  if (r >= TRIDIAGONAL && tridiagonal(gram, r, columns, values, spare, spare + <usize>r * stride)) return r
  const rank = cholesky(gram, r, columns, values)
  memory.fill(values, 0, stride)
  orthogonalize(columns, rank, r, values)
  return rank
}

function fill(to: usize, count: i32, value: f32): void {
  for (let i = 0; i < count; i++) store<f32>(to + floats(i), value)
}

/** S_ij = (μ_j+δ) / (λ_i+μ_j), 0 where the denominator is. */
function split(lambda: usize, mu: usize, r: i32, damping: f64, to: usize): void {
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < r; j++) {
      const m = load<f64>(mu + ((<usize>j) << 3))
      const sum = load<f64>(lambda + ((<usize>i) << 3)) + m
      store<f32>(to + floats(i * r + j), <f32>(sum > 0 ? (m + damping) / sum : 0))
    }
  }
}

function whitenOne(one: WhiteningEntry, damping: f64, scratch: usize): void {
  const r = one.r
  const stride = strideOf(r)
  const matrix = <usize>r * stride
  const gram = scratch
  const columns = gram + matrix
  const lambda = columns + matrix
  const mu = lambda + stride
  const spare = mu + stride
  const scale = one.scale
  const perScale = 1 / (scale * scale)
  gramOfColumns(one.B, r, one.outputs, gram, stride, spare)
  const rankB = decompose(gram, r, columns, lambda, spare)
  if (rankB >= 0) write(columns, lambda, rankB, r, damping, one.TB, 1, one.TBgrad, perScale)
  gramOfRows(one.A, r, one.inputs, gram, stride, spare)
  const rankA = decompose(gram, r, columns, mu, spare)
  if (rankA >= 0) write(columns, mu, rankA, r, damping, one.TAgrad, perScale, one.TAt, 1)
  if (rankA < 0 || rankB < 0) {
    fill(one.TB, r * r, f32.NaN)
    fill(one.TBgrad, r * r, f32.NaN)
    fill(one.TAt, r * r, f32.NaN)
    fill(one.TAgrad, r * r, f32.NaN)
    fill(one.S, r * r, f32.NaN)
    store<f32>(one.smallest, f32.NaN)
    return
  }
  split(lambda, mu, r, damping, one.S)
  let smallest = load<f64>(lambda)
  for (let i = 1; i < r; i++) smallest = min(smallest, load<f64>(lambda + ((<usize>i) << 3)))
  store<f32>(one.smallest, <f32>smallest)
}

/** Scratch: `scratchOf` bytes (`src/kernels/whitening.ts`) for the largest r. */
export function whitening(args: Whitening, chunk: i32, scratch: usize): void {
  const damping = args.damping
  const end = min((chunk + 1) * args.perChunk, args.entries)
  for (let i = chunk * args.perChunk; i < end; i++) whitenOne(args.entry(i), damping, scratch)
}
