/**
 * The largest eigenvalues of a symmetric matrix with their eigenvectors, on the host in float64, for matrices of hundreds of rows.
 *
 *   G = H T Hᵀ        T tridiagonal, H a product of Householder reflections
 *   T = Z diag(λ) Zᵀ  by implicit QL steps; Z is a product of plane rotations
 *
 * Neither H nor Z is formed. The rotations are kept, and an eigenvector H Z eⱼ is made by applying all of them to the one unit vector:
 * some 3n² flops each, where accumulating Z would take 3n³. Both parts are backward stable: errors are of the order of
 * ε‖G‖, so eigenvalues below that are noise (`symmetric-eigen.ts` is for small matrices whose small eigenvalues matter).
 *
 * Cost: 2n³ flops for T (n = 384: 0.1 s), O(n²) for λ and for each vector. Golub & Van Loan, Matrix Computations, 8.3.
 */

interface LeadingEigen {
  /** λ, descending: [count] */
  readonly values: Float64Array
  /** [count, n], row-major: row j is the eigenvector of λⱼ */
  readonly vectors: Float64Array
}

interface Tridiagonal {
  readonly diagonal: Float64Array // [n]
  readonly off: Float64Array // [n]; the last is 0
  /** `[n, n]`: row k holds vₖ in its columns beyond k */
  readonly reflectors: Float64Array
  /** `[n]`: Hₖ = I − βₖ vₖvₖᵀ */
  readonly betas: Float64Array
}

/** a[i, j] −= vᵢwⱼ + wᵢvⱼ for i, j ≥ from. */
const rankTwoUpdate = (a: Float64Array, n: number, from: number, v: Float64Array, w: Float64Array): void => {
  for (let i = from; i < n; i++) {
    const [vi, wi] = [v[i]!, w[i]!]
    const row = i * n
    for (let j = from; j < n; j++) a[row + j] = a[row + j]! - (vi * w[j]! + wi * v[j]!)
  }
}

/** to = β·a v over rows and columns ≥ from; returns vᵀto. */
const reflectedColumn = (a: Float64Array, n: number, from: number, v: Float64Array, beta: number, to: Float64Array) => {
  let product = 0
  for (let i = from; i < n; i++) {
    const row = i * n
    let even = 0
    let odd = 0
    let j = from
    for (; j + 1 < n; j += 2) {
      even += a[row + j]! * v[j]!
      odd += a[row + j + 1]! * v[j + 1]!
    }
    if (j < n) even += a[row + j]! * v[j]!
    to[i] = beta * (even + odd)
    product += v[i]! * to[i]!
  }
  return product
}

/** Overwrites `a`. */
const tridiagonalised = (a: Float64Array, n: number): Tridiagonal => {
  const [diagonal, off, betas] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)]
  const [v, w] = [new Float64Array(n), new Float64Array(n)]
  for (let k = 0; k < n; k++) {
    const row = k * n
    diagonal[k] = a[row + k]!
    if (k + 1 === n) break
    const first = a[row + k + 1]!
    let rest = 0
    for (let j = k + 2; j < n; j++) rest += a[row + j]! * a[row + j]!
    if (rest === 0) {
      off[k] = first
      continue
    }
    const length = Math.sqrt(first * first + rest)
    off[k] = first > 0 ? -length : length
    a[row + k + 1] = first - off[k]!
    for (let j = k + 1; j < n; j++) v[j] = a[row + j]!
    const beta = 1 / (length * (length + Math.abs(first)))
    betas[k] = beta
    const half = (beta / 2) * reflectedColumn(a, n, k + 1, v, beta, w)
    for (let j = k + 1; j < n; j++) w[j] = w[j]! - half * v[j]!
    rankTwoUpdate(a, n, k + 1, v, w)
  }
  return { diagonal, off, reflectors: a, betas }
}

/** The rotations of planes (i, i + 1), i = last … first, one after another. */
interface Chase {
  readonly first: number
  readonly cosines: Float64Array
  readonly sines: Float64Array
}

// 1.7 steps an eigenvalue are usual. Reaching this bound would mean non-finite input.
const MAX_STEPS = 60

/** One implicit QL step on rows l … m. */
const qlStep = (d: Float64Array, e: Float64Array, l: number, m: number): Chase => {
  const [cosines, sines] = [new Float64Array(m - l).fill(1), new Float64Array(m - l)]
  const ratio = (d[l + 1]! - d[l]!) / (2 * e[l]!)
  const root = Math.sqrt(ratio * ratio + 1)
  let g = d[m]! - d[l]! + e[l]! / (ratio + (ratio < 0 ? -root : root))
  let [s, c, p] = [1, 1, 0]
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i]!
    const b = c * e[i]!
    const r = Math.sqrt(f * f + g * g)
    e[i + 1] = r
    if (r === 0) {
      d[i + 1] = d[i + 1]! - p
      e[m] = 0
      return { first: l, cosines, sines }
    }
    s = f / r
    c = g / r
    const next = d[i + 1]! - p
    const q = (d[i]! - next) * s + 2 * c * b
    p = s * q
    d[i + 1] = next + p
    g = c * q - b
    cosines[i - l] = c
    sines[i - l] = s
  }
  d[l] = d[l]! - p
  e[l] = g
  e[m] = 0
  return { first: l, cosines, sines }
}

/** Makes the tridiagonal matrix diagonal: `diagonal` becomes λ, in no order. */
const diagonalised = ({ diagonal: d, off: e }: Tridiagonal, n: number): ReadonlyArray<Chase> => {
  const chases: Array<Chase> = []
  for (let l = 0; l < n; l++) {
    for (let step = 0; step < MAX_STEPS; step++) {
      let m = l
      for (; m + 1 < n; m++) {
        const size = Math.abs(d[m]!) + Math.abs(d[m + 1]!)
        if (Math.abs(e[m]!) + size === size) break
      }
      if (m === l) break
      chases.push(qlStep(d, e, l, m))
    }
  }
  return chases
}

/** z ← R₁(… (R_N z)) */
const rotated = (z: Float64Array, chases: ReadonlyArray<Chase>): void => {
  for (let k = chases.length - 1; k >= 0; k--) {
    const { first, cosines, sines } = chases[k]!
    for (let i = 0; i < cosines.length; i++) {
      const [c, s] = [cosines[i]!, sines[i]!]
      const [upper, lower] = [z[first + i]!, z[first + i + 1]!]
      z[first + i] = c * upper + s * lower
      z[first + i + 1] = c * lower - s * upper
    }
  }
}

/** z ← H₀(… (Hₙ₋₃ z)) */
const reflected = (z: Float64Array, { reflectors, betas }: Tridiagonal, n: number): void => {
  for (let k = n - 3; k >= 0; k--) {
    if (betas[k] === 0) continue
    const row = k * n
    let product = 0
    for (let j = k + 1; j < n; j++) product += reflectors[row + j]! * z[j]!
    product *= betas[k]!
    for (let j = k + 1; j < n; j++) z[j] = z[j]! - product * reflectors[row + j]!
  }
}

/** Returns the `count` largest eigenvalues of a symmetric matrix [n, n] (row-major) with their eigenvectors. Overwrites the matrix. */
export const leadingEigenvectors = (matrix: Float64Array, n: number, count: number): LeadingEigen => {
  const tridiagonal = tridiagonalised(matrix, n)
  const chases = diagonalised(tridiagonal, n)
  const { diagonal } = tridiagonal
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => diagonal[j]! - diagonal[i]! || i - j)
  const leading = order.slice(0, count)
  const vectors = new Float64Array(count * n)
  leading.forEach((index, j) => {
    const z = vectors.subarray(j * n, (j + 1) * n)
    z[index] = 1
    rotated(z, chases)
    reflected(z, tridiagonal, n)
  })
  return { values: Float64Array.from(leading, (index) => diagonal[index]!), vectors }
}
