/** Bytes of so many floats. */
export function floats(count: i32): usize {
  return (<usize>count) << 2
}
