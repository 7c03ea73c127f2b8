/** What kernels over windows have in common. */

/** Which row of places is `distance` lines below the first, if one row is `stride` below another; −1: none. */
export function rowAt(distance: i32, stride: i32, rows: i32): i32 {
  if (distance < 0 || distance % stride !== 0) return -1
  const row = distance / stride
  return row < rows ? row : -1
}
