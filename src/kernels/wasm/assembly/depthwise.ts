/**
 * Gradients of a depthwise convolution with one filter for each channel; equations as in
 * `src/kernels/depthwise-convolution.ts`.
 *
 * depthwiseBackward         for x: a chunk is a range of lines of pixels
 * depthwiseFilterGradient   for K: a chunk is one place of the kernel; each row of places is summed by itself, and then the rows, so
 *                           that rounding grows with the length of a row and their number, not with the product
 */
import { floats } from "./arguments"
import { DepthwiseBackward, DepthwiseFilterGradient } from "./declared"
import { madd } from "./madd"
import { rowAt } from "./window"

/** to += x·y, over the channels. */
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

export function depthwiseBackward(args: DepthwiseBackward, chunk: i32, _scratch: usize): void {
  const height = args.height
  const width = args.width
  const columns = args.columns
  const across = args.kernelWidth
  const pixel = floats(args.channels)
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.lines)
  for (let line = first; line < last; line++) {
    const out = args.dx + pixel * <usize>width * <usize>line
    memory.fill(out, 0, pixel * <usize>width)
    for (let k = 0; k < args.kernelHeight; k++) {
      const row = rowAt((line % height) - args.top - k * args.dilationY, args.strideY, args.rows)
      if (row < 0) continue
      const filters = args.filters + pixel * <usize>(k * across)
      let dy = args.dy + pixel * <usize>((line / height) * args.rows + row) * <usize>columns
      for (let column = 0; column < columns; column++, dy += pixel) {
        const left = column * args.strideX + args.left
        for (let l = 0; l < across; l++) {
          const x = left + l * args.dilationX
          if (x >= 0 && x < width) addProduct(out + pixel * <usize>x, dy, filters + pixel * <usize>l, pixel)
        }
      }
    }
  }
}

/** Scratch: a float for each channel. */
export function depthwiseFilterGradient(args: DepthwiseFilterGradient, chunk: i32, scratch: usize): void {
  const height = args.height
  const width = args.width
  const rows = args.rows
  const columns = args.columns
  const across = args.kernelWidth
  const pixel = floats(args.channels)
  const out = args.out + pixel * <usize>chunk
  memory.fill(out, 0, pixel)
  for (let row = 0; row < args.batch * rows; row++) {
    const y = (row % rows) * args.strideY + args.top + (chunk / across) * args.dilationY
    if (y < 0 || y >= height) continue
    memory.fill(scratch, 0, pixel)
    const line = args.x + pixel * <usize>((row / rows) * height + y) * <usize>width
    let dy = args.dy + pixel * <usize>row * <usize>columns
    let x = args.left + (chunk % across) * args.dilationX
    for (let column = 0; column < columns; column++, dy += pixel, x += args.strideX) {
      if (x >= 0 && x < width) addProduct(scratch, line + pixel * <usize>x, dy, pixel)
    }
    for (let at: usize = 0; at < pixel; at += 4) store<f32>(out + at, load<f32>(out + at) + load<f32>(scratch + at))
  }
}
