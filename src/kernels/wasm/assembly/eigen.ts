/**
 * Eigenvalues and eigenvectors of a Gram matrix G [r, r] in float64: G = L·Lᵀ by Cholesky's method with pivots, then one-sided Jacobi
 * on the columns of L (Veselić & Hari 1989), which makes them orthogonal by rotating two at a time.
 *
 *   L·V = U·√Λ     G = U·Λ·Uᵀ
 *
 * Why not two-sided Jacobi (`symmetric-eigen.ts`): here the eigenvectors are the columns themselves and nothing else is turned, and
 * pivoting leaves so little to turn that five sweeps do. Small eigenvalues of a graded matrix keep their digits, as there. For large
 * matrices `tridiagonal.ts` is faster.
 *
 * A pivot that is no more than the round-off of its diagonal entry ends the factorization: what is left is a direction that the
 * rows of M do not have. It gets no column.
 */

/** Relative to a diagonal entry: what r subtractions leave of it by round-off. */
const EPSILON: f64 = 2.220446049250313e-16

/**
 * The square of a cosine that counts as 0. What is made of the vectors is rounded to float32, 6e-8; this is relative to the two lengths,
 * so small eigenvalues lose nothing by it.
 */
const ORTHOGONAL: f64 = 1e-20

// Jacobi converges quadratically; reaching this bound would mean input that is not finite.
const MAX_SWEEPS: i32 = 40

export function at(row: usize, i: i32): usize {
  return row + ((<usize>i) << 3)
}

/** Bytes from row to row: pairs of float64. */
export function strideOf(r: i32): usize {
  return (<usize>((r + 1) & ~1)) << 3
}

/** y −= f·x over a row of `bytes`. */
export function subtract(y: usize, x: usize, f: f64, bytes: usize): void {
  const factor = f64x2.splat(f)
  const end = y + bytes
  while (y < end) {
    v128.store(y, f64x2.sub(v128.load(y), f64x2.mul(factor, v128.load(x))))
    y += 16
    x += 16
  }
}

/**
 * Writes the columns of L as rows of `columns` [r, r], by descending pivot, and answers how many there are. `left`: r float64, the
 * diagonal of what is left.
 */
export function cholesky(gram: usize, r: i32, columns: usize, left: usize): i32 {
  const stride = strideOf(r)
  for (let i = 0; i < r; i++) store<f64>(at(left, i), load<f64>(at(gram + <usize>i * stride, i)))
  for (let k = 0; k < r; k++) {
    const pivot = nextPivot(gram, r, left)
    if (pivot < 0) return k
    const column = columns + <usize>k * stride
    memory.copy(column, gram + <usize>pivot * stride, stride)
    for (let j = 0; j < k; j++) {
      const before = columns + <usize>j * stride
      subtract(column, before, load<f64>(at(before, pivot)), stride)
    }
    const root = sqrt(load<f64>(at(left, pivot)))
    store<f64>(at(left, pivot), -1) // taken
    for (let i = 0; i < r; i++) {
      const rest = load<f64>(at(left, i))
      const value = i === pivot ? root : rest < 0 ? 0 : load<f64>(at(column, i)) / root
      store<f64>(at(column, i), value)
      if (rest >= 0) store<f64>(at(left, i), max(rest - value * value, 0))
    }
    if ((r & 1) !== 0) store<f64>(at(column, r), 0)
  }
  return r
}

/** The row with the largest rest; −1 where all that is left is round-off. */
function nextPivot(gram: usize, r: i32, left: usize): i32 {
  const stride = strideOf(r)
  let best = -1
  let largest: f64 = 0
  for (let i = 0; i < r; i++) {
    const rest = load<f64>(at(left, i))
    if (rest > largest && rest > <f64>r * EPSILON * load<f64>(at(gram + <usize>i * stride, i))) {
      largest = rest
      best = i
    }
  }
  return best
}

/** Four chains of sums, since one would wait for each of its additions. */
export function dot(x: usize, y: usize, bytes: usize): f64 {
  let s0 = f64x2.splat(0)
  let s1 = f64x2.splat(0)
  let s2 = f64x2.splat(0)
  let s3 = f64x2.splat(0)
  const end = x + bytes
  const whole = x + (bytes & ~63)
  while (x < whole) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(x), v128.load(y)))
    s1 = f64x2.add(s1, f64x2.mul(v128.load(x, 16), v128.load(y, 16)))
    s2 = f64x2.add(s2, f64x2.mul(v128.load(x, 32), v128.load(y, 32)))
    s3 = f64x2.add(s3, f64x2.mul(v128.load(x, 48), v128.load(y, 48)))
    x += 64
    y += 64
  }
  while (x < end) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(x), v128.load(y)))
    x += 16
    y += 16
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3))
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1)
}

/** (x, y) ← (c·x − s·y, s·x + c·y) */
function turn(x: usize, y: usize, c: f64, s: f64, bytes: usize): void {
  const cosine = f64x2.splat(c)
  const sine = f64x2.splat(s)
  const end = x + bytes
  while (x < end) {
    const p = v128.load(x)
    const q = v128.load(y)
    v128.store(x, f64x2.sub(f64x2.mul(cosine, p), f64x2.mul(sine, q)))
    v128.store(y, f64x2.add(f64x2.mul(sine, p), f64x2.mul(cosine, q)))
    x += 16
    y += 16
  }
}

/** Makes `rank` rows of `columns` orthogonal; `squares` [rank] gets their squared lengths, the eigenvalues. */
export function orthogonalize(columns: usize, rank: i32, r: i32, squares: usize): void {
  const stride = strideOf(r)
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    for (let i = 0; i < rank; i++) {
      const row = columns + <usize>i * stride
      store<f64>(at(squares, i), dot(row, row, stride))
    }
    let turned = false
    for (let i = 0; i < rank - 1; i++) {
      for (let j = i + 1; j < rank; j++) {
        if (orthogonalizeTwo(columns + <usize>i * stride, columns + <usize>j * stride, stride, at(squares, i), at(squares, j))) turned = true
      }
    }
    if (!turned) return
  }
}

function orthogonalizeTwo(x: usize, y: usize, bytes: usize, xx: usize, yy: usize): bool {
  const a = load<f64>(xx)
  const b = load<f64>(yy)
  const g = dot(x, y, bytes)
  if (g * g <= ORTHOGONAL * a * b) return false
  const tau = (b - a) / (2 * g)
  const t = (tau >= 0 ? 1.0 : -1.0) / (abs(tau) + sqrt(1 + tau * tau))
  const c = 1 / sqrt(1 + t * t)
  turn(x, y, c, t * c, bytes)
  store<f64>(xx, a - t * g)
  store<f64>(yy, b + t * g)
  return true
}
