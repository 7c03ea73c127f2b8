/**
 * Matrices [r, r] whose entries are long sums: BᵀB, Qᵀb and their like, X·Yᵀ with rows of X and Y as long as a layer is
 * wide. A workgroup has a square tile of entries, of 4 to 32 rows and columns; it stages as many columns of X and Y at
 * a time as there is room for. An invocation makes four sums, 2 × 2, over a part of the columns: small tiles leave
 * invocations for many parts.
 */

/** Invocations per workgroup. */
export const LONG_SUMS = 256

/** Values of X, and of Y, that a workgroup stages: `1 << shift` rows, divided into columns. */
export const STAGED = 1024

/** Returns the shift of a tile, which has `1 << shift` rows and columns. */
export const shiftOf = (r: number): number => Math.min(5, Math.max(2, Math.ceil(Math.log2(r))))

/** Workgroup memory: one more column, so that rows begin in different banks. */
export const STAGES = `
var<workgroup> left: array<f32, ${STAGED + 32}>;
var<workgroup> right: array<f32, ${STAGED + 32}>;
`

/** Returns WGSL for the position of an invocation's sums: rows i, i + half and columns j, j + half, over `perPart` columns from part·perPart. */
export const placeOf = (shift: string): string => `
  let edge = 1u << ${shift};
  let half = edge >> 1u;
  let columnShift = ${Math.log2(STAGED)}u - ${shift};
  let columns = 1u << columnShift;
  let entries = half * half;
  let part = local >> (2u * ${shift} - 2u);
  let perPart = columns * entries / ${LONG_SUMS}u;
  let i = (local >> (${shift} - 1u)) & (half - 1u);
  let j = local & (half - 1u);`
