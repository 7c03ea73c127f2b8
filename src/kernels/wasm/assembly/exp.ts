/**
 * eˣ for four numbers, within 1.5 units in the last place; ∞ above 88.7, denormal numbers below −87.3, 0 below −104, NaN for NaN.
 *
 *   x = n·ln 2 + r, |r| ≤ ½ ln 2      eˣ = 2ⁿ·eʳ      eʳ = 1 + r + r²·P(r), P of degree 5 from Cephes' expf
 *
 * n comes from an addition of 1.5·2²³, whose last bits it then is: this costs less than rounding and converting. ln 2 is
 * subtracted in two parts, of which the first has so few digits that n times it is exact. 2ⁿ is two factors, since neither 2¹²⁸ nor
 * 2⁻¹⁵⁰ is a normal number.
 */
import { madd } from "./madd"

const ROUNDING: f32 = 12582912 // 1.5·2²³

// @ts-ignore: a decorator
@inline
export function exp(x: v128): v128 {
  // the number itself comes first: so NaN stays
  x = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-104))
  const shifted = f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504088896341)), f32x4.splat(ROUNDING))
  const n = f32x4.sub(shifted, f32x4.splat(ROUNDING))
  const r = madd(n, f32x4.splat(2.12194440e-4), madd(n, f32x4.splat(-0.693359375), x))
  let p = f32x4.splat(1.9875691500e-4)
  p = madd(p, r, f32x4.splat(1.3981999507e-3))
  p = madd(p, r, f32x4.splat(8.3334519073e-3))
  p = madd(p, r, f32x4.splat(4.1665795894e-2))
  p = madd(p, r, f32x4.splat(1.6666665459e-1))
  p = madd(p, r, f32x4.splat(5.0000001201e-1))
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1))
  const exponent = i32x4.sub(shifted, i32x4.splat(0x4b400000)) // the bits of ROUNDING
  const half = i32x4.shr_s(exponent, 1)
  const bias = i32x4.splat(127)
  const first = i32x4.shl(i32x4.add(half, bias), 23)
  const second = i32x4.shl(i32x4.add(i32x4.sub(exponent, half), bias), 23)
  return f32x4.mul(f32x4.mul(p, first), second)
}
