/** The gradient of a maximum over windows goes to the first pixel that has it. A chunk is a range of images. */
import { address, floats, int } from "./arguments"
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
  SECOND,
  STRIDE_X,
  STRIDE_Y,
  THIRD,
  TOP,
  WIDTH
} from "./window"

/** The word behind those of the window. */
const DX: i32 = 18

/** Where in an image a window has its maximum `most`, in pixels; −1: nowhere, since it is not a number. */
function placeOf(args: usize, image: usize, row: i32, column: i32, most: f32): i32 {
  const width = int(args, WIDTH)
  const pixel = floats(int(args, CHANNELS))
  for (let k = 0; k < int(args, KERNEL_HEIGHT); k++) {
    const y = row * int(args, STRIDE_Y) + int(args, TOP) + k * int(args, DILATION_Y)
    if (y < 0 || y >= int(args, HEIGHT)) continue
    for (let l = 0; l < int(args, KERNEL_WIDTH); l++) {
      const x = column * int(args, STRIDE_X) + int(args, LEFT) + l * int(args, DILATION_X)
      if (x < 0 || x >= width) continue
      if (load<f32>(image + pixel * <usize>(y * width + x)) === most) return y * width + x
    }
  }
  return -1
}

/** FIRST: x, SECOND: y, THIRD: dy. */
export function maxPoolingBackward(args: usize, chunk: i32, _scratch: usize): void {
  const channels = int(args, CHANNELS)
  const pixel = floats(channels)
  const picture = pixel * <usize>int(args, HEIGHT) * <usize>int(args, WIDTH)
  const rows = int(args, ROWS)
  const columns = int(args, COLUMNS)
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, BATCH))
  for (let image = first; image < last; image++) {
    const x = address(args, FIRST) + picture * <usize>image
    const dx = address(args, DX) + picture * <usize>image
    memory.fill(dx, 0, picture)
    let at = pixel * <usize>(image * rows) * <usize>columns
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let channel = 0; channel < channels; channel++, at += 4) {
          const most = load<f32>(address(args, SECOND) + at)
          const place = placeOf(args, x + floats(channel), row, column, most)
          if (place < 0) continue
          const to = dx + pixel * <usize>place + floats(channel)
          store<f32>(to, load<f32>(to) + load<f32>(address(args, THIRD) + at))
        }
      }
    }
  }
}
