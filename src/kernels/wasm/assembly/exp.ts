/**
 * eˣ for four numbers, within 1.5 units in the last place; ∞ above 88.37, 0 below −87.3 (no denormal numbers), NaN for NaN.
 *
 *   x = n·ln 2 + r, |r| ≤ ½ ln 2      eˣ = 2ⁿ·eʳ      eʳ = 1 + r + r²·P(r), P of degree 5 from Cephes' expf
 *
 * n comes from an addition of 1.5·2²³, whose last bits it then is: this costs less than rounding and converting. ln 2 is
 * subtracted in two parts, of which the first has so few digits that n times it is exact. A second factor for 2ⁿ would carry the range
 * to where float32 ends, for a fifth more time, and no caller needs it: their sums hold a term near 1.
 */
import { madd } from "./vectors"

const ROUNDING: f32 = 12582912 // 1.5·2²³
const ROUNDING_BITS: i32 = 0x4b400000

@inline
export function exp(x: v128): v128 {
  const y = f32x4.pmin(x, f32x4.splat(89)) // the number first: so NaN stays
  const shifted = madd(y, f32x4.splat(1.44269504088896341), f32x4.splat(ROUNDING))
  const n = f32x4.sub(shifted, f32x4.splat(ROUNDING))
  const r = madd(n, f32x4.splat(2.12194440e-4), madd(n, f32x4.splat(-0.693359375), y))
  let p = f32x4.splat(1.9875691500e-4)
  p = madd(p, r, f32x4.splat(1.3981999507e-3))
  p = madd(p, r, f32x4.splat(8.3334519073e-3))
  p = madd(p, r, f32x4.splat(4.1665795894e-2))
  p = madd(p, r, f32x4.splat(1.6666665459e-1))
  p = madd(p, r, f32x4.splat(5.0000001201e-1))
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1))
  const power = i32x4.shl(i32x4.add(shifted, i32x4.splat(127 - ROUNDING_BITS)), 23)
  // for an x far below the value here is meaningless
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, f32x4.splat(-87.3)))
}
