/**
 * patches           rows of pixels under a kernel, as in `src/kernels/patches.ts`   a chunk is a range of rows of places, over all images
 * patchesBackward   each pixel's sum over them                                      a chunk is a range of lines of pixels
 *
 * Where the kernel's own row of pixels lies in the picture as it does in the patch (no dilation), it is copied or added
 * as one piece.
 */
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
  rowOver,
  SECOND,
  STRIDE_X,
  STRIDE_Y,
  TOP,
  WIDTH
} from "./window"

/** `bytes` (a multiple of 4): short pieces in a loop, for which a call costs more. */
// @ts-ignore: a decorator
@inline
function copy(to: usize, from: usize, bytes: usize): void {
  if (bytes > 256) {
    memory.copy(to, from, bytes)
    return
  }
  const end = to + bytes
  while (to + 16 <= end) {
    v128.store(to, v128.load(from))
    to += 16
    from += 16
  }
  while (to < end) {
    store<f32>(to, load<f32>(from))
    to += 4
    from += 4
  }
}

// @ts-ignore: a decorator
@inline
function clear(to: usize, bytes: usize): void {
  const end = to + bytes
  while (to < end) {
    store<f32>(to, 0)
    to += 4
  }
}

// @ts-ignore: a decorator
@inline
function add(to: usize, from: usize, bytes: usize): void {
  const end = to + bytes
  while (to + 16 <= end) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)))
    to += 16
    from += 16
  }
  while (to < end) {
    store<f32>(to, load<f32>(to) + load<f32>(from))
    to += 4
    from += 4
  }
}

export function patches(args: usize, chunk: i32, _scratch: usize): void {
  const height = int(args, HEIGHT)
  const width = int(args, WIDTH)
  const rows = int(args, ROWS)
  const columns = int(args, COLUMNS)
  const across = int(args, KERNEL_WIDTH)
  const dilation = int(args, DILATION_X)
  const pixel = floats(int(args, CHANNELS))
  const piece = pixel * <usize>across
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, BATCH) * rows)
  let to = address(args, SECOND) + piece * <usize>int(args, KERNEL_HEIGHT) * <usize>columns * <usize>first
  for (let row = first; row < last; row++) {
    const image = row / rows
    const top = (row % rows) * int(args, STRIDE_Y) + int(args, TOP)
    for (let column = 0; column < columns; column++) {
      const left = column * int(args, STRIDE_X) + int(args, LEFT)
      const whole = dilation === 1 && left >= 0 && left + across <= width
      for (let k = 0; k < int(args, KERNEL_HEIGHT); k++, to += piece) {
        const y = top + k * int(args, DILATION_Y)
        if (y < 0 || y >= height) {
          clear(to, piece)
          continue
        }
        const line = address(args, FIRST) + pixel * <usize>(image * height + y) * <usize>width
        if (whole) {
          copy(to, line + pixel * <usize>left, piece)
          continue
        }
        for (let l = 0; l < across; l++) {
          const x = left + l * dilation
          const at = to + pixel * <usize>l
          if (x >= 0 && x < width) copy(at, line + pixel * <usize>x, pixel)
          else clear(at, pixel)
        }
      }
    }
  }
}

export function patchesBackward(args: usize, chunk: i32, _scratch: usize): void {
  const height = int(args, HEIGHT)
  const width = int(args, WIDTH)
  const rows = int(args, ROWS)
  const columns = int(args, COLUMNS)
  const across = int(args, KERNEL_WIDTH)
  const dilation = int(args, DILATION_X)
  const pixel = floats(int(args, CHANNELS))
  const piece = pixel * <usize>across
  const patch = piece * <usize>int(args, KERNEL_HEIGHT)
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, BATCH) * height)
  for (let line = first; line < last; line++) {
    const out = address(args, SECOND) + pixel * <usize>width * <usize>line
    memory.fill(out, 0, pixel * <usize>width)
    for (let k = 0; k < int(args, KERNEL_HEIGHT); k++) {
      const row = rowOver(args, line % height, k)
      if (row < 0) continue
      let from =
        address(args, FIRST) + patch * <usize>((line / height) * rows + row) * <usize>columns + piece * <usize>k
      for (let column = 0; column < columns; column++, from += patch) {
        const left = column * int(args, STRIDE_X) + int(args, LEFT)
        if (dilation === 1) {
          const begin = max(0, -left)
          const end = min(across, width - left)
          if (end > begin)
            add(out + pixel * <usize>(left + begin), from + pixel * <usize>begin, pixel * <usize>(end - begin))
          continue
        }
        for (let l = 0; l < across; l++) {
          const x = left + l * dilation
          if (x >= 0 && x < width) add(out + pixel * <usize>x, from + pixel * <usize>l, pixel)
        }
      }
    }
  }
}
