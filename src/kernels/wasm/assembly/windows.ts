/**
 * Kernels over windows of pictures; equations as in `src/kernels/patches.ts`, `depthwise-convolution.ts` and `max-pooling.ts`.
 *
 * patches                   rows of pixels under a kernel: a chunk is a range of rows of places, over all images
 * patchesBackward           each pixel's sum over them: a chunk is a range of lines of pixels
 * depthwiseBackward         for x: a chunk is a range of lines of pixels
 * depthwiseFilterGradient   for K: a chunk is one place of the kernel; each row of places is summed by itself, and then the rows, so
 *                           that rounding grows with the length of a row and their number, not with the product
 * maxPoolingBackward        dy goes to the first pixel that has the maximum: a chunk is a range of images
 *
 * Where the kernel's own row of pixels lies in the picture as it does in the patch (no dilation), it is copied or added
 * as one piece.
 */
import { DepthwiseBackward, DepthwiseFilterGradient, MaxPoolingBackward, Patches, PatchesBackward } from "./declared"
import { floats, madd } from "./vectors"

/** Which row of places is `distance` lines below the first, if one row is `stride` below another; −1: none. */
export function rowAt(distance: i32, stride: i32, rows: i32): i32 {
  if (distance < 0 || distance % stride !== 0) return -1
  const row = distance / stride
  return row < rows ? row : -1
}

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

/** Where in an image a window has its maximum `most`, in pixels; −1: nowhere, since it is not a number. */
function placeOf(args: MaxPoolingBackward, image: usize, row: i32, column: i32, most: f32): i32 {
  const width = args.width
  const pixel = floats(args.channels)
  for (let k = 0; k < args.kernelHeight; k++) {
    const y = row * args.strideY + args.top + k * args.dilationY
    if (y < 0 || y >= args.height) continue
    for (let l = 0; l < args.kernelWidth; l++) {
      const x = column * args.strideX + args.left + l * args.dilationX
      if (x < 0 || x >= width) continue
      if (load<f32>(image + pixel * <usize>(y * width + x)) === most) return y * width + x
    }
  }
  return -1
}

export function maxPoolingBackward(args: MaxPoolingBackward, chunk: i32, _scratch: usize): void {
  const channels = args.channels
  const pixel = floats(channels)
  const picture = pixel * <usize>args.height * <usize>args.width
  const rows = args.rows
  const columns = args.columns
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.batch)
  for (let image = first; image < last; image++) {
    const x = args.x + picture * <usize>image
    const dx = args.dx + picture * <usize>image
    memory.fill(dx, 0, picture)
    let at = pixel * <usize>(image * rows) * <usize>columns
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let channel = 0; channel < channels; channel++, at += 4) {
          const most = load<f32>(args.y + at)
          const place = placeOf(args, x + floats(channel), row, column, most)
          if (place < 0) continue
          const to = dx + pixel * <usize>place + floats(channel)
          store<f32>(to, load<f32>(to) + load<f32>(args.dy + at))
        }
      }
    }
  }
}
