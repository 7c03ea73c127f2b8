/**
 * Element type of programs that compute value by value, four at a time if the length allows it, since GPUs read memory fastest in vectors. The
 * text of such a program is written once, in terms of
 *
 *   V, U, B        numbers, their bits, and truths: of one place or of four
 *   finite(v)      by the bits
 *   infinite(v)    is it +∞? likewise
 *   sigmoid(v)     no exponential overflows
 *   placesOf(i)    of the numbers at `i`
 *
 * and is a variant for each element type.
 */
export type VectorType = "f32" | "vec4f"

/** Values per element. */
export const LANES = { f32: 1, vec4f: 4 } as const satisfies Record<VectorType, number>

/** Returns the element type for rows of this length. */
export const vectorFor = (length: number): VectorType => (length % LANES.vec4f === 0 ? "vec4f" : "f32")

const NAMES = {
  f32: `alias V = f32;
alias U = u32;
alias B = bool;
fn placesOf(i: u32) -> U { return i; }`,
  vec4f: `alias V = vec4f;
alias U = vec4u;
alias B = vec4<bool>;
fn placesOf(i: u32) -> U { return U(4u * i) + U(0u, 1u, 2u, 3u); }`
} as const satisfies Record<VectorType, string>

/** Returns the WGSL definitions of V, U, B and their functions for an element type. */
export const overVectors = (type: VectorType): string => `${NAMES[type]}
fn finite(v: V) -> B { return (bitcast<U>(v) & U(0x7f800000u)) != U(0x7f800000u); }
fn infinite(v: V) -> B { return bitcast<U>(v) == U(0x7f800000u); }
fn sigmoid(v: V) -> V {
  let e = exp(-abs(v));
  let q = V(1.0) / (V(1.0) + e);
  return select(q, e * q, v < V(0.0));
}`
