/** Systems with a symmetric positive definite matrix on the host, in float64. */

/** M = LLᵀ, L lower triangular; M [n, n] row-major. */
const cholesky = (M: Float64Array, n: number): Float64Array => {
  const L = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = M[i * n + j]!
      for (let k = 0; k < j; k++) sum -= L[i * n + k]! * L[j * n + k]!
      L[i * n + j] = i === j ? Math.sqrt(sum) : sum / L[j * n + j]!
    }
  }
  return L
}

/** Solves XM = Y for X: X and Y [rows, n], M [n, n] positive definite, all row-major. The result is not finite if M is not positive definite. */
export const solvedRows = (Y: ArrayLike<number>, rows: number, M: Float64Array, n: number): Float64Array => {
  const L = cholesky(M, n)
  const X = Float64Array.from(Y)
  for (let row = 0; row < rows; row++) {
    const x = X.subarray(row * n, (row + 1) * n)
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) x[i] = x[i]! - L[i * n + k]! * x[k]!
      x[i] = x[i]! / L[i * n + i]!
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) x[i] = x[i]! - L[k * n + i]! * x[k]!
      x[i] = x[i]! / L[i * n + i]!
    }
  }
  return X
}
