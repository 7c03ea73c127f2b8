/**
 * Gradients of a depthwise convolution with one filter for each channel; equations as in
 * `src/kernels/depthwise-convolution.ts`.
 *
 * depthwiseBackward         for x: a chunk is a range of lines of pixels
 * depthwiseFilterGradient   for K: a chunk is one place of the kernel; each row of places is summed by itself, and then the rows, so
 *                           that rounding grows with the length of a row and their number, not with the product
 */
import { address, floats, int } from "./arguments"
import { madd } from "./madd"
import {
  BATCH,
  CHANNELS,
  COLUMNS,
  DILATION_X,
  DILATION_Y,
  FIRST,
  HEIGHT,
  KERNEL_HEIGHT,
  KERNEL_WIDTH,
  LEFT,
  PER_CHUNK,
  ROWS,
  rowOver,
  SECOND,
  STRIDE_X,
  STRIDE_Y,
  THIRD,
  TOP,
  WIDTH
} from "./window"

/** to += x·y, over the channels. */
// @ts-ignore: a decorator
@inline
function addProduct(to: usize, x: usize, y: usize, bytes: usize): void {
  const end = to + bytes
  while (to + 16 <= end) {
    v128.store(to, madd(v128.load(x), v128.load(y), v128.load(to)))
    to += 16
    x += 16
    y += 16
  }
  while (to < end) {
    store<f32>(to, load<f32>(to) + load<f32>(x) * load<f32>(y))
    to += 4
    x += 4
    y += 4
  }
}

/** FIRST: dy, SECOND: dx, THIRD: K [kernel, channels]. */
export function depthwiseBackward(args: usize, chunk: i32, _scratch: usize): void {
  const height = int(args, HEIGHT)
  const width = int(args, WIDTH)
  const columns = int(args, COLUMNS)
  const across = int(args, KERNEL_WIDTH)
  const pixel = floats(int(args, CHANNELS))
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, BATCH) * height)
  for (let line = first; line < last; line++) {
    const out = address(args, SECOND) + pixel * <usize>width * <usize>line
    memory.fill(out, 0, pixel * <usize>width)
    for (let k = 0; k < int(args, KERNEL_HEIGHT); k++) {
      const row = rowOver(args, line % height, k)
      if (row < 0) continue
      const filters = address(args, THIRD) + pixel * <usize>(k * across)
      let dy = address(args, FIRST) + pixel * <usize>((line / height) * int(args, ROWS) + row) * <usize>columns
      for (let column = 0; column < columns; column++, dy += pixel) {
        const left = column * int(args, STRIDE_X) + int(args, LEFT)
        for (let l = 0; l < across; l++) {
          const x = left + l * int(args, DILATION_X)
          if (x >= 0 && x < width) addProduct(out + pixel * <usize>x, dy, filters + pixel * <usize>l, pixel)
        }
      }
    }
  }
}

/** FIRST: x, SECOND: dK [kernel, channels], THIRD: dy. Scratch: a float for each channel. */
export function depthwiseFilterGradient(args: usize, chunk: i32, scratch: usize): void {
  const height = int(args, HEIGHT)
  const width = int(args, WIDTH)
  const rows = int(args, ROWS)
  const columns = int(args, COLUMNS)
  const across = int(args, KERNEL_WIDTH)
  const pixel = floats(int(args, CHANNELS))
  const out = address(args, SECOND) + pixel * <usize>chunk
  memory.fill(out, 0, pixel)
  for (let row = 0; row < int(args, BATCH) * rows; row++) {
    const y = (row % rows) * int(args, STRIDE_Y) + int(args, TOP) + (chunk / across) * int(args, DILATION_Y)
    if (y < 0 || y >= height) continue
    memory.fill(scratch, 0, pixel)
    const line = address(args, FIRST) + pixel * <usize>((row / rows) * height + y) * <usize>width
    let dy = address(args, THIRD) + pixel * <usize>row * <usize>columns
    let x = int(args, LEFT) + (chunk % across) * int(args, DILATION_X)
    for (let column = 0; column < columns; column++, dy += pixel, x += int(args, STRIDE_X)) {
      if (x >= 0 && x < width) addProduct(scratch, line + pixel * <usize>x, dy, pixel)
    }
    for (let at: usize = 0; at < pixel; at += 4) store<f32>(out + at, load<f32>(out + at) + load<f32>(scratch + at))
  }
}
