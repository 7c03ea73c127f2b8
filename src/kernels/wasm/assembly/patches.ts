/**
 * patches           rows of pixels under a kernel, as in `src/kernels/patches.ts`   a chunk is a range of rows of places, over all images
 * patchesBackward   each pixel's sum over them                                      a chunk is a range of lines of pixels
 *
 * Where the kernel's own row of pixels lies in the picture as it does in the patch (no dilation), it is copied or added
 * as one piece.
 */
import { floats } from "./arguments"
import { Patches, PatchesBackward } from "./declared"
import { rowAt } from "./window"

/** `bytes` (a multiple of 4): short pieces in a loop, for which a call costs more. */
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

@inline
function clear(to: usize, bytes: usize): void {
  const end = to + bytes
  while (to < end) {
    store<f32>(to, 0)
    to += 4
  }
}

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

export function patches(args: Patches, chunk: i32, _scratch: usize): void {
  const height = args.height
  const width = args.width
  const rows = args.rows
  const columns = args.columns
  const across = args.kernelWidth
  const dilation = args.dilationX
  const pixel = floats(args.channels)
  const piece = pixel * <usize>across
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.lines)
  let to = args.out + piece * <usize>args.kernelHeight * <usize>columns * <usize>first
  for (let row = first; row < last; row++) {
    const image = row / rows
    const top = (row % rows) * args.strideY + args.top
    for (let column = 0; column < columns; column++) {
      const left = column * args.strideX + args.left
      const whole = dilation === 1 && left >= 0 && left + across <= width
      for (let k = 0; k < args.kernelHeight; k++, to += piece) {
        const y = top + k * args.dilationY
        if (y < 0 || y >= height) {
          clear(to, piece)
          continue
        }
        const line = args.x + pixel * <usize>(image * height + y) * <usize>width
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

export function patchesBackward(args: PatchesBackward, chunk: i32, _scratch: usize): void {
  const height = args.height
  const width = args.width
  const rows = args.rows
  const columns = args.columns
  const across = args.kernelWidth
  const dilation = args.dilationX
  const pixel = floats(args.channels)
  const piece = pixel * <usize>across
  const patch = piece * <usize>args.kernelHeight
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.lines)
  for (let line = first; line < last; line++) {
    const out = args.dx + pixel * <usize>width * <usize>line
    memory.fill(out, 0, pixel * <usize>width)
    for (let k = 0; k < args.kernelHeight; k++) {
      const row = rowAt((line % height) - args.top - k * args.dilationY, args.strideY, rows)
      if (row < 0) continue
      let from =
        args.dy + patch * <usize>((line / height) * rows + row) * <usize>columns + piece * <usize>k
      for (let column = 0; column < columns; column++, from += patch) {
        const left = column * args.strideX + args.left
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
