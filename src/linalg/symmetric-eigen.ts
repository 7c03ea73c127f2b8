/**
 * Eigen-decomposition of a small symmetric matrix on the host, in float64: G = U diag(λ) Uᵀ.
 *
 * Cyclic Jacobi: one plane rotation after the other, each making one off-diagonal pair zero, until every |g_pq| ≤ ε√(g_pp g_qq).
 * That stopping rule, relative to the two diagonal entries rather than to the norm, is what keeps the *small* eigenvalues of a
 * graded positive definite matrix accurate relative to themselves (Demmel & Veselić 1992); a tridiagonal QR would lose them.
 * What forming a Gram matrix in float64 already lost (λ below about 1e-16 λ_max) no solver brings back; LoRA-Pro's damping of 1e-8 hides it.
 *
 * Shapes: G, U [n, n], row-major. Cost: about 6 sweeps of n²/2 rotations; for n = 8 some 20 µs.
 */

interface SymmetricEigen {
  /** eigenvalues λ, ascending: [n] */
  readonly values: Float64Array
  /** eigenvectors U [n, n], row-major: eigenvector j is column j */
  readonly vectors: Float64Array
}

// Jacobi converges quadratically: 6–8 sweeps up to n = 64. Reaching this bound would mean non-finite input.
const MAX_SWEEPS = 40

/** Rotates rows and columns p, q of `a` so that a[p, q] becomes 0; rows p, q of `w` (the eigenvectors so far) with them. */
const rotate = (a: Float64Array, w: Float64Array, n: number, p: number, q: number): void => {
  const rowP = p * n
  const rowQ = q * n
  const apq = a[rowP + q]!
  const tau = (a[rowQ + q]! - a[rowP + p]!) / (2 * apq)
  const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau))
  const c = 1 / Math.sqrt(1 + t * t)
  const s = t * c
  a[rowP + p] = a[rowP + p]! - t * apq
  a[rowQ + q] = a[rowQ + q]! + t * apq
  a[rowP + q] = 0
  a[rowQ + p] = 0
  for (let k = 0; k < n; k++) {
    const wp = w[rowP + k]!
    const wq = w[rowQ + k]!
    w[rowP + k] = c * wp - s * wq
    w[rowQ + k] = s * wp + c * wq
    if (k === p || k === q) continue
    const akp = a[rowP + k]!
    const akq = a[rowQ + k]!
    const ap = c * akp - s * akq
    const aq = s * akp + c * akq
    a[rowP + k] = ap
    a[rowQ + k] = aq
    a[k * n + p] = ap
    a[k * n + q] = aq
  }
}

const sweep = (a: Float64Array, w: Float64Array, n: number): number => {
  let rotations = 0
  for (let p = 0; p < n - 1; p++) {
    for (let q = p + 1; q < n; q++) {
      const apq = Math.abs(a[p * n + q]!)
      if (apq === 0 || apq <= Number.EPSILON * Math.sqrt(Math.abs(a[p * n + p]! * a[q * n + q]!))) continue
      rotate(a, w, n, p, q)
      rotations++
    }
  }
  return rotations
}

/** Decomposes a symmetric matrix [n, n] (row-major); only its symmetric part is used. The input does not change. */
export const symmetricEigen = (matrix: ArrayLike<number>, n: number): SymmetricEigen => {
  const a = Float64Array.from(matrix)
  const w = new Float64Array(n * n)
  for (let i = 0; i < n; i++) w[i * n + i] = 1
  for (let i = 0; i < MAX_SWEEPS && sweep(a, w, n) > 0; i++);
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[i * n + i]! - a[j * n + j]!)
  const values = new Float64Array(n)
  const vectors = new Float64Array(n * n)
  for (let j = 0; j < n; j++) {
    const row = order[j]! * n
    values[j] = a[row + order[j]!]!
    for (let i = 0; i < n; i++) vectors[i * n + j] = w[row + i]!
  }
  return { values, vectors }
}
