/**
 * A soft cap of scores and logits, in WGSL: c = cap·tanh(s/cap), and s where the word `softcap` is 0.
 *
 *   capped(s)   near 0 by tanh's series, for a difference of exponentials has few digits there: both are within 1e-7
 *               where they meet, at 0.2. WGSL's own tanh may overflow, and promises five digits
 *   slope(c)    dc/ds = 1 − (c/cap)²
 */
import type { VectorType } from "./elementwise.ts"

const BITS = { f32: "u32", vec4f: "vec4u" } as const satisfies Record<VectorType, string>

/** Returns the WGSL functions of the soft cap, for an element type. */
export const softcapOf = (type: VectorType): string => `
fn capped(s: ${type}) -> ${type} {
  if (words.softcap == 0.0) { return s; }
  let x = s / words.softcap;
  let square = x * x;
  let near = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 - square * (17.0 / 315.0))));
  let e = exp(-2.0 * abs(x));
  let far = sign(x) * (1.0 - e) / (1.0 + e);
  let nan = (bitcast<${BITS[type]}>(s) & ${BITS[type]}(0x7fffffffu)) > ${BITS[type]}(0x7f800000u);
  return select(words.softcap * select(far, near, abs(x) < ${type}(0.2)), s, nan);
}
fn slope(c: ${type}) -> ${type} {
  if (words.softcap == 0.0) { return ${type}(1.0); }
  let x = c / words.softcap;
  return 1.0 - x * x;
}
`
