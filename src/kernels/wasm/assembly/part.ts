/** The last few floats of a row, where fewer than four are left. */

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
