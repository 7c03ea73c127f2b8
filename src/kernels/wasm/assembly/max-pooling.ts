/** The gradient of a maximum over windows goes to the first pixel that has it. A chunk is a range of images. */
import { floats } from "./arguments"
import { MaxPoolingBackward } from "./declared"

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
