/**
 * Eigenvalues and eigenvectors of a Gram matrix G [r, r] in float64, by way of a tridiagonal matrix: some 2.5·r³ multiplications where
 * Jacobi's method (`eigen.ts`) takes 12·r³.
 *
 *   G = H·T·Hᵀ     H = Hᵣ₋₁···H₁, Householder's reflections: Hᵢ = I − τᵢ vᵢvᵢᵀ changes the first i rows
 *   T z = λ z      λ by QL steps without roots (Parlett, The Symmetric Eigenvalue Problem, 8.15), z by a twisted factorization of
 *                  T − λ (Dhillon & Parlett 2004), whose error is that of λ over the distance to the next eigenvalue
 *   u = H·z
 *
 * All of it is wrong by a few ε·λ_max. That is nothing to eigenvalues of this order, and everything to those of ε·λ_max, which Jacobi's
 * method finds. So `tridiagonal` answers whether what it found is what float32 can hold, and Jacobi's method does the others.
 */
import { at, dot, strideOf, subtract } from "./eigen"

const EPSILON: f64 = 2.220446049250313e-16

/**
 * Of λ_max: an eigenvalue that is less has, at some ten ε·λ_max, an error beyond float32's 6e-8 of itself; and eigenvectors
 * whose eigenvalues are nearer than this are not orthogonal to 6e-8.
 */
const FLOAT32: f64 = 5.9604644775390625e-8

// QL steps for an eigenvalue: two on average; reaching this bound would mean input that is not finite
const MOST_STEPS: i32 = 40

/** A pivot that is 0 is replaced by this times λ_max. */
const TINY: f64 = 1e-40

// the rows, set by `tridiagonal`: module variables, one copy a thread
let diagonal: usize = 0 // of T
let off: usize = 0 // of T: off[i] lies between i − 1 and i
let taus: usize = 0
let squares: usize = 0
let v: usize = 0
let w: usize = 0
let lower: usize = 0 // D₊: from here on two numbers for each of r
let upper: usize = 0 // D₋
let down: usize = 0 // multipliers of z, from the twist to either end
let up: usize = 0

function get(row: usize, i: i32): f64 {
  return load<f64>(at(row, i))
}

function set(row: usize, i: i32, value: f64): void {
  store<f64>(at(row, i), value)
}

/** Hᵢ, which leaves of the first i numbers of `row` only the last: v in their place, τ, and what the last becomes. */
function reflect(row: usize, i: i32): void {
  const last = get(row, i - 1)
  set(row, i - 1, 0)
  if ((i & 1) !== 0) set(row, i, 0)
  const rest = dot(row, row, strideOf(i))
  if (rest === 0) {
    set(taus, i, 0)
    set(off, i, last)
    return
  }
  const length = sqrt(last * last + rest)
  const beta = last >= 0 ? -length : length
  set(taus, i, (beta - last) / beta)
  set(off, i, beta)
  const factor = f64x2.splat(1 / (last - beta))
  for (let at: usize = 0; at < strideOf(i); at += 16) v128.store(row + at, f64x2.mul(v128.load(row + at), factor))
  set(row, i - 1, 1)
}

/**
 * Two rows of the leading block: A −= v·wᵀ + w·vᵀ, and with what they are then, p += A·x. On and below the diagonal only. `second` is 0
 * where the second row is none of the block's: then it stays as it is.
 */
function updateTwo(a: usize, b: usize, j: i32, second: f64, x: usize, p: usize): void {
  const va = get(v, j)
  const wa = get(w, j)
  const vb = get(v, j + 1) * second
  const wb = get(w, j + 1) * second
  const xa = get(x, j)
  const xb = get(x, j + 1) * second
  const va2 = f64x2.splat(va)
  const wa2 = f64x2.splat(wa)
  const vb2 = f64x2.splat(vb)
  const wb2 = f64x2.splat(wb)
  const xa2 = f64x2.splat(xa)
  const xb2 = f64x2.splat(xb)
  let sa = f64x2.splat(0)
  let sb = f64x2.splat(0)
  const bytes = (<usize>j) << 3
  for (let k: usize = 0; k < bytes; k += 16) {
    const vk = v128.load(v + k)
    const wk = v128.load(w + k)
    const xk = v128.load(x + k)
    const ak = f64x2.sub(v128.load(a + k), f64x2.add(f64x2.mul(va2, wk), f64x2.mul(wa2, vk)))
    const bk = f64x2.sub(v128.load(b + k), f64x2.add(f64x2.mul(vb2, wk), f64x2.mul(wb2, vk)))
    v128.store(a + k, ak)
    v128.store(b + k, bk)
    sa = f64x2.add(sa, f64x2.mul(ak, xk))
    sb = f64x2.add(sb, f64x2.mul(bk, xk))
    v128.store(p + k, f64x2.add(v128.load(p + k), f64x2.add(f64x2.mul(xa2, ak), f64x2.mul(xb2, bk))))
  }
  const aa = get(a, j) - 2 * va * wa
  set(a, j, aa)
  set(p, j, get(p, j) + f64x2.extract_lane(sa, 0) + f64x2.extract_lane(sa, 1) + aa * xa)
  if (second === 0) return
  const ab = get(b, j) - (vb * wa + wb * va)
  const bb = get(b, j + 1) - 2 * vb * wb
  set(b, j, ab)
  set(b, j + 1, bb)
  set(p, j, get(p, j) + ab * xb)
  set(p, j + 1, get(p, j + 1) + f64x2.extract_lane(sb, 0) + f64x2.extract_lane(sb, 1) + ab * xa + bb * xb)
}

/** T from the lower half of `a`, whose row i then begins with vᵢ. */
function reduce(a: usize, r: i32): void {
  const stride = strideOf(r)
  memory.fill(v, 0, stride)
  memory.fill(w, 0, stride)
  for (let i = r - 1; i > 0; i--) {
    const row = a + <usize>i * stride
    // what the step before has to change, in this row first: the next reflection is made of it
    subtract(row, w, get(v, i), strideOf(i + 1))
    subtract(row, v, get(w, i), strideOf(i + 1))
    set(diagonal, i, get(row, i))
    reflect(row, i)
    const p = lower
    memory.fill(p, 0, stride)
    for (let j = 0; j < i; j += 2) {
      const two = a + <usize>j * stride
      updateTwo(two, two + stride, j, j + 1 < i ? 1 : 0, row, p)
    }
    const tau = get(taus, i)
    if ((i & 1) !== 0) {
      set(row, i, 0)
      set(p, i, 0)
    }
    const half = 0.5 * tau * tau * dot(p, row, strideOf(i))
    const f = f64x2.splat(tau)
    const g = f64x2.splat(half)
    for (let k: usize = 0; k < strideOf(i); k += 16) {
      const x = v128.load(row + k)
      v128.store(v + k, x)
      v128.store(w + k, f64x2.sub(f64x2.mul(f, v128.load(p + k)), f64x2.mul(g, x)))
    }
  }
  set(diagonal, 0, get(a, 0) - 2 * get(v, 0) * get(w, 0))
}

/** Eigenvalues of T into `values`, ascending. False where QL steps do not end. */
function eigenvalues(values: usize, r: i32): bool {
  memory.copy(values, diagonal, strideOf(r))
  for (let i = 1; i < r; i++) set(squares, i - 1, get(off, i) * get(off, i))
  for (let l = 0; l < r; l++) {
    for (let steps = 0; ; steps++) {
      let m = l
      while (m < r - 1 && get(squares, m) > EPSILON * EPSILON * abs(get(values, m) * get(values, m + 1))) m++
      if (m === l) break
      if (steps === MOST_STEPS) return false
      stepQl(values, l, m)
    }
  }
  for (let i = 1; i < r; i++) {
    const value = get(values, i)
    let j = i
    for (; j > 0 && get(values, j - 1) > value; j--) set(values, j, get(values, j - 1))
    set(values, j, value)
  }
  return true
}

/** One QL step on the rows l to m of T, with the squares of what lies beside its diagonal. */
function stepQl(values: usize, l: i32, m: i32): void {
  const first = get(values, l)
  const root = sqrt(get(squares, l))
  const half = (get(values, l + 1) - first) / (2 * root)
  const length = sqrt(half * half + 1)
  const shift = first - root / (half + (half >= 0 ? length : -length))
  let c: f64 = 1
  let s: f64 = 0
  let gamma = get(values, m) - shift
  let p = gamma * gamma
  for (let i = m - 1; i >= l; i--) {
    const square = get(squares, i)
    const sum = p + square
    if (i !== m - 1) set(squares, i + 1, s * sum)
    const before = c
    const old = gamma
    c = p / sum
    s = square / sum
    const alpha = get(values, i)
    gamma = c * (alpha - shift) - s * old
    set(values, i + 1, old + (alpha - gamma))
    p = c !== 0 ? (gamma * gamma) / c : before * square
  }
  set(squares, l, s * p)
  set(values, l, shift + gamma)
}

/** x, or a number of its sign that can be divided by. */
function pivot(x: v128, least: v128): v128 {
  return v128.bitselect(least, x, f64x2.lt(f64x2.abs(x), least))
}

/** T − λ = L·D₊·Lᵀ from above and U·D₋·Uᵀ from below, for two λ at a time. */
function factorize(lambda: v128, r: i32, least: v128): void {
  const top = (<usize>(r - 1)) << 4
  let plus = pivot(f64x2.sub(f64x2.splat(get(diagonal, 0)), lambda), least)
  let minus = pivot(f64x2.sub(f64x2.splat(get(diagonal, r - 1)), lambda), least)
  v128.store(lower, plus)
  v128.store(upper + top, minus)
  for (let i = 1; i < r; i++) {
    const place = (<usize>i) << 4
    const e = f64x2.splat(get(off, i))
    const f = f64x2.splat(get(off, r - i))
    const l = f64x2.div(e, plus)
    const u = f64x2.div(f, minus)
    plus = pivot(f64x2.sub(f64x2.sub(f64x2.splat(get(diagonal, i)), lambda), f64x2.mul(l, e)), least)
    minus = pivot(f64x2.sub(f64x2.sub(f64x2.splat(get(diagonal, r - 1 - i)), lambda), f64x2.mul(u, f)), least)
    v128.store(lower + place, plus)
    v128.store(upper + top - place, minus)
    // z[i − 1] = −l·z[i]; z[r − i] = −u·z[r − i − 1]
    v128.store(down + place - 16, f64x2.neg(l))
    v128.store(up + top - place + 16, f64x2.neg(u))
  }
}

/** The eigenvector z for one of the two λ, `lane` bytes into the pairs, of length 1. */
function vectorOf(lambda: f64, lane: usize, r: i32, z: usize): void {
  let twist = 0
  let least = Infinity
  for (let i = 0; i < r; i++) {
    const place = ((<usize>i) << 4) + lane
    const gamma = abs(load<f64>(lower + place) + load<f64>(upper + place) - (get(diagonal, i) - lambda))
    if (gamma < least) {
      least = gamma
      twist = i
    }
  }
  let value: f64 = 1
  set(z, twist, 1)
  for (let i = twist - 1; i >= 0; i--) {
    value *= load<f64>(down + ((<usize>i) << 4) + lane)
    set(z, i, value)
  }
  value = 1
  for (let i = twist + 1; i < r; i++) {
    value *= load<f64>(up + ((<usize>i) << 4) + lane)
    set(z, i, value)
  }
  if ((r & 1) !== 0) set(z, r, 0)
  normalize(z, strideOf(r), 1)
}

function normalize(z: usize, bytes: usize, length: f64): f64 {
  const square = dot(z, z, bytes)
  const factor = f64x2.splat(length / sqrt(square))
  for (let at: usize = 0; at < bytes; at += 16) v128.store(z + at, f64x2.mul(v128.load(z + at), factor))
  return square
}

/**
 * Makes z orthogonal to the vectors before it whose eigenvalues are so near that the twisted factorization did not. False
 * where it is one of them.
 */
function separate(vectors: usize, values: usize, j: i32, r: i32, near: f64): bool {
  const stride = strideOf(r)
  const z = vectors + <usize>j * stride
  let i = j - 1
  for (; i >= 0 && get(values, j) - get(values, i) < near; i--) {
    const other = vectors + <usize>i * stride
    subtract(z, other, dot(z, other, stride), stride)
  }
  return i === j - 1 || normalize(z, stride, 1) > 0.5
}

/** z ← Hᵣ₋₁···H₁ z for four z, which share what a reflection costs to load. */
function transformBack(a: usize, r: i32, z0: usize, z1: usize, z2: usize, z3: usize): void {
  const stride = strideOf(r)
  for (let i = 2; i < r; i++) {
    const row = a + <usize>i * stride
    const bytes = strideOf(i)
    let s0 = f64x2.splat(0)
    let s1 = f64x2.splat(0)
    let s2 = f64x2.splat(0)
    let s3 = f64x2.splat(0)
    for (let k: usize = 0; k < bytes; k += 16) {
      const x = v128.load(row + k)
      s0 = f64x2.add(s0, f64x2.mul(x, v128.load(z0 + k)))
      s1 = f64x2.add(s1, f64x2.mul(x, v128.load(z1 + k)))
      s2 = f64x2.add(s2, f64x2.mul(x, v128.load(z2 + k)))
      s3 = f64x2.add(s3, f64x2.mul(x, v128.load(z3 + k)))
    }
    const tau = get(taus, i)
    s0 = f64x2.splat(tau * (f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1)))
    s1 = f64x2.splat(tau * (f64x2.extract_lane(s1, 0) + f64x2.extract_lane(s1, 1)))
    s2 = f64x2.splat(tau * (f64x2.extract_lane(s2, 0) + f64x2.extract_lane(s2, 1)))
    s3 = f64x2.splat(tau * (f64x2.extract_lane(s3, 0) + f64x2.extract_lane(s3, 1)))
    for (let k: usize = 0; k < bytes; k += 16) {
      const x = v128.load(row + k)
      v128.store(z0 + k, f64x2.sub(v128.load(z0 + k), f64x2.mul(s0, x)))
      v128.store(z1 + k, f64x2.sub(v128.load(z1 + k), f64x2.mul(s1, x)))
      v128.store(z2 + k, f64x2.sub(v128.load(z2 + k), f64x2.mul(s2, x)))
      v128.store(z3 + k, f64x2.sub(v128.load(z3 + k), f64x2.mul(s3, x)))
    }
  }
}

/**
 * Eigenvalues of G into `values` and their eigenvectors, each of length √λ, into the rows of `vectors`. False where they are not what
 * float32 can hold: then these mean nothing. `a`: a matrix of scratch, `spare`: fourteen rows.
 */
export function tridiagonal(gram: usize, r: i32, vectors: usize, values: usize, a: usize, spare: usize): bool {
  const stride = strideOf(r)
  diagonal = spare
  off = diagonal + stride
  taus = off + stride
  squares = taus + stride
  v = squares + stride
  w = v + stride
  lower = w + stride
  upper = lower + 2 * stride
  down = upper + 2 * stride
  up = down + 2 * stride
  memory.copy(a, gram, <usize>r * stride)
  reduce(a, r)
  if (!eigenvalues(values, r)) return false
  const largest = get(values, r - 1)
  const near = FLOAT32 * largest
  // not `<=`: what is not a number is refused as well
  if (!(get(values, 0) > near)) return false
  const least = f64x2.splat(TINY * largest)
  for (let j = 0; j < r; j += 2) {
    const next = min(j + 1, r - 1)
    const lambda = f64x2.replace_lane(f64x2.splat(get(values, j)), 1, get(values, next))
    factorize(lambda, r, least)
    const z = vectors + <usize>j * stride
    vectorOf(get(values, j), 0, r, z)
    if (next !== j) vectorOf(get(values, next), 8, r, z + stride)
  }
  for (let j = 1; j < r; j++) if (!separate(vectors, values, j, r, near)) return false
  for (let j = 0; j < r; j += 4) {
    transformBack(a, r, rowOf(vectors, j, r), rowOf(vectors, j + 1, r), rowOf(vectors, j + 2, r), rowOf(vectors, j + 3, r))
  }
  for (let j = 0; j < r; j++) normalize(vectors + <usize>j * stride, stride, sqrt(get(values, j)))
  return true
}

/** Row j, or beyond the last one a row of its own that means nothing. */
function rowOf(vectors: usize, j: i32, r: i32): usize {
  return j < r ? vectors + <usize>j * strideOf(r) : lower + <usize>(j - r) * strideOf(r)
}
