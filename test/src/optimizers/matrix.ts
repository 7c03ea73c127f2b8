/**
 * Float64 matrices for oracles: row-major arrays of rows, written for clarity and independent of the code under test (projectors
 * come from QR, inverses from Gaussian elimination; the sources use eigenbases).
 */

export type Matrix = ReadonlyArray<ReadonlyArray<number>>

export const make = (rows: number, columns: number, entry: (i: number, j: number) => number): Matrix =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => entry(i, j)))

export const fromFlat = (values: ArrayLike<number>, rows: number, columns: number): Matrix =>
  make(rows, columns, (i, j) => values[i * columns + j]!)

export const shapeOf = (a: Matrix): readonly [number, number] => [a.length, a[0]!.length]

export const transpose = (a: Matrix): Matrix => make(a[0]!.length, a.length, (i, j) => a[j]![i]!)

export const product = (a: Matrix, b: Matrix): Matrix => {
  if (a[0]!.length !== b.length) throw new Error(`product of ${shapeOf(a)} and ${shapeOf(b)}`)
  const columns = transpose(b)
  return a.map((row) => columns.map((column) => row.reduce((sum, x, k) => sum + x * column[k]!, 0)))
}

export const times = (...factors: ReadonlyArray<Matrix>): Matrix => factors.reduce(product)

/** Σ cᵢ Mᵢ */
export const combine = (...terms: ReadonlyArray<readonly [number, Matrix]>): Matrix => {
  const [rows, columns] = shapeOf(terms[0]![1])
  return make(rows, columns, (i, j) => terms.reduce((sum, [c, m]) => sum + c * m[i]![j]!, 0))
}

export const identity = (n: number): Matrix => make(n, n, (i, j) => (i === j ? 1 : 0))

export const inner = (a: Matrix, b: Matrix): number =>
  a.reduce((sum, row, i) => sum + row.reduce((s, x, j) => s + x * b[i]![j]!, 0), 0)

export const norm = (a: Matrix): number => Math.sqrt(inner(a, a))

export const maxAbs = (a: Matrix): number => Math.max(...a.map((row) => Math.max(...row.map(Math.abs))))

/** max|x − y| / max|y|, the measure the golden files state; the plain maximum where y is 0. */
export const deviation = (x: Matrix, y: Matrix): number => {
  const scale = maxAbs(y)
  const worst = maxAbs(combine([1, x], [-1, y]))
  if (!Number.isFinite(worst)) return Number.POSITIVE_INFINITY
  return scale === 0 ? worst : worst / scale
}

/** Orthonormal basis of the columns: modified Gram–Schmidt, twice. */
export const orthonormal = (a: Matrix): Matrix => {
  const basis: Array<Array<number>> = []
  for (const column of transpose(a)) {
    let v = [...column]
    for (let pass = 0; pass < 2; pass++) {
      for (const q of basis) {
        const along = q.reduce((sum, x, k) => sum + x * v[k]!, 0)
        v = v.map((x, k) => x - along * q[k]!)
      }
    }
    const length = Math.hypot(...v)
    basis.push(v.map((x) => x / length))
  }
  return transpose(basis)
}

/** Solves M Z = R by Gaussian elimination with partial pivoting. */
export const solve = (m: Matrix, rhs: Matrix): Matrix => {
  const n = m.length
  const rows = m.map((row, i) => [...row, ...rhs[i]!])
  for (let c = 0; c < n; c++) {
    let pivot = c
    for (let i = c + 1; i < n; i++) if (Math.abs(rows[i]![c]!) > Math.abs(rows[pivot]![c]!)) pivot = i
    ;[rows[c], rows[pivot]] = [rows[pivot]!, rows[c]!]
    for (let i = 0; i < n; i++) {
      if (i === c) continue
      const f = rows[i]![c]! / rows[c]![c]!
      if (f !== 0) rows[i] = rows[i]!.map((x, k) => x - f * rows[c]![k]!)
    }
  }
  return rows.map((row, i) => row.slice(n).map((x) => x / row[i]!))
}

export const inverse = (m: Matrix): Matrix => solve(m, identity(m.length))

/** mulberry32: a small seeded generator, uniform in [0, 1). */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export const normal = (next: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())

export const randomMatrix = (rows: number, columns: number, next: () => number, deviation = 1): Matrix =>
  make(rows, columns, () => deviation * normal(next))

/** [rows, r] with singular values within magnitude · [0.3, 3]. */
export const conditioned = (rows: number, r: number, magnitude: number, next: () => number): Matrix => {
  const sigma = make(r, r, (i, j) => (i === j ? magnitude * 0.3 * 10 ** next() : 0))
  return times(orthonormal(randomMatrix(rows, r, next)), sigma, transpose(orthonormal(randomMatrix(r, r, next))))
}

/** The matrix as float32 holds it: an oracle has to start from what the device was given. */
export const rounded = (a: Matrix): Matrix => a.map((row) => row.map(Math.fround))
