/** Vectors of four floats, and the last few floats of a row, where fewer than four are left. */

/** Bytes of so many floats. */
export function floats(count: i32): usize {
  return (<usize>count) << 2
}

/**
 * x·y + s, fused where the binary is compiled for it. The plain one rounds twice, on every engine to the same bits.
 */
export function madd(x: v128, y: v128, s: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, s) : f32x4.add(s, f32x4.mul(x, y))
}

/** `count` (1 to 3) floats, and zeros. */
export function loadPart(from: usize, count: i32): v128 {
  if (count === 1) return v128.load32_zero(from)
  const two = v128.load64_zero(from)
  return count === 2 ? two : v128.load32_lane(from + 8, two, 2)
}

/** The first `count` (1 to 3) floats of v. */
export function storePart(to: usize, v: v128, count: i32): void {
  if (count === 1) {
    v128.store32_lane(to, v, 0)
    return
  }
  v128.store64_lane(to, v, 0)
  if (count === 3) v128.store32_lane(to + 8, v, 2)
}

/** The sum of four floats. */
export function total(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
}

/** `count` floats, four at most, and zeros. */
export function loadUpTo(from: usize, count: i32): v128 {
  return count < 4 ? loadPart(from, count) : v128.load(from)
}

/** The first `count` floats of v, four at most. */
export function storeUpTo(to: usize, v: v128, count: i32): void {
  if (count < 4) storePart(to, v, count)
  else v128.store(to, v)
}

/** sum + v₀ + v₁ + …, one after the other: `count` of them, four at most. */
export function addLanes(sum: f32, v: v128, count: i32): f32 {
  sum += f32x4.extract_lane(v, 0)
  if (count > 1) sum += f32x4.extract_lane(v, 1)
  if (count > 2) sum += f32x4.extract_lane(v, 2)
  if (count > 3) sum += f32x4.extract_lane(v, 3)
  return sum
}

/** The first two of four floats as float64. */
// @ts-ignore: a decorator
@inline
export function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v)
}

/** The last two. */
// @ts-ignore: a decorator
@inline
export function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3))
}

/** The sum of four float64. */
// @ts-ignore: a decorator
@inline
export function total64(a: v128, b: v128): f64 {
  const sum = f64x2.add(a, b)
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/** `rows` rows of `count` floats, f·x → z, between matrices of any strides (bytes). */
export function copyRows(x: usize, ldx: usize, z: usize, ldz: usize, rows: i32, count: i32, f: f32): void {
  const factor = f32x4.splat(f)
  const whole = floats(count & ~3)
  const rest = count & 3
  for (let i = 0; i < rows; i++) {
    let from = x
    let to = z
    const end = from + whole
    while (from < end) {
      v128.store(to, f32x4.mul(v128.load(from), factor))
      from += 16
      to += 16
    }
    if (rest !== 0) storePart(to, f32x4.mul(loadPart(from, rest), factor), rest)
    x += ldx
    z += ldz
  }
}
