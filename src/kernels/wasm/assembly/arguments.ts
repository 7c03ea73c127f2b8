/** How kernels read their arguments: 32-bit words that the host wrote at `args`, by their number. */

/** An integer. */
export function int(args: usize, word: i32): i32 {
  return load<i32>(args + ((<usize>word) << 2))
}

/** An address in the heap, in bytes; 0 stands for none. */
export function address(args: usize, word: i32): usize {
  return <usize>load<u32>(args + ((<usize>word) << 2))
}

/** A number. */
export function float(args: usize, word: i32): f32 {
  return load<f32>(args + ((<usize>word) << 2))
}

/** A float64, in two words. */
export function double(args: usize, word: i32): f64 {
  return load<f64>(args + ((<usize>word) << 2))
}

/** Bytes of so many floats. */
export function floats(count: i32): usize {
  return (<usize>count) << 2
}
