/**
 * x·y + s, fused where the binary is compiled for it. The plain one rounds twice, on every engine to the same bits.
 */
export function madd(x: v128, y: v128, s: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, s) : f32x4.add(s, f32x4.mul(x, y))
}
