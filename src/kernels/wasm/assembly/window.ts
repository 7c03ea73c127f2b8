/**
 * What kernels over windows read: the words of `windowWords`, behind three addresses, batch, channels and rows of a
 * chunk.
 */
import { int } from "./arguments"

export const FIRST: i32 = 0
export const SECOND: i32 = 1
export const THIRD: i32 = 2
export const BATCH: i32 = 3
export const CHANNELS: i32 = 4
export const PER_CHUNK: i32 = 5
export const HEIGHT: i32 = 6
export const WIDTH: i32 = 7
export const ROWS: i32 = 8 // places, vertically
export const COLUMNS: i32 = 9
export const KERNEL_HEIGHT: i32 = 10
export const KERNEL_WIDTH: i32 = 11
export const STRIDE_Y: i32 = 12
export const STRIDE_X: i32 = 13
export const DILATION_Y: i32 = 14
export const DILATION_X: i32 = 15
export const TOP: i32 = 16 // of the first place
export const LEFT: i32 = 17

/** Which row of places has row k of its kernel on line y; −1: none. */
export function rowOver(args: usize, y: i32, k: i32): i32 {
  const distance = y - int(args, TOP) - k * int(args, DILATION_Y)
  const stride = int(args, STRIDE_Y)
  if (distance < 0 || distance % stride !== 0) return -1
  const row = distance / stride
  return row < int(args, ROWS) ? row : -1
}
