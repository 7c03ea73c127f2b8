/**
 * Pillow's `Image.resize` of bytes, bitwise identical (src/libImaging/Resample.c and Geometry.c of Pillow 13): fixed-point weights of 22 bits, along
 * rows and along columns, each rounded to bytes.
 */
import type { Resampling } from "./image.ts"

/** Pixel bytes, `channels` per pixel. */
export interface Raster {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  readonly data: Uint8Array
}

/** A part of an image, in pixels. */
export interface Window {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

interface Filter {
  /** half of its width at scale 1 */
  readonly support: number
  readonly weight: (x: number) => number
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI))

const CUBIC = -0.5

const filters: Readonly<Record<Exclude<Resampling, "nearest">, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => {
      const at = Math.abs(x)
      if (at === 0) return 1
      if (at >= 1) return 0
      const angle = at * Math.PI
      // single precision, as in Pillow
      return (Math.sin(angle) / angle) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(angle))
    }
  },
  bicubic: {
    support: 2,
    weight: (x) => {
      const at = Math.abs(x)
      if (at < 1) return ((CUBIC + 2) * at - (CUBIC + 3)) * at * at + 1
      if (at < 2) return (((at - 5) * at + 8) * at - 4) * CUBIC
      return 0
    }
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) }
}

const PRECISION = 22 // bits

/** For each output: the first input, the number of inputs, and their weights, `stride` per output. */
interface Weights {
  readonly starts: Int32Array
  readonly counts: Int32Array
  readonly values: Int32Array
  readonly stride: number
}

/** One direction of a resize: the inputs used, and their weights; undefined: inputs are copied. */
interface Axis {
  readonly from: number
  readonly length: number
  readonly weights: Weights | undefined
}

/** Returns `count` of `to` outputs, starting with `first`, computed from `from` inputs. Weights count inputs from the first one used. */
const axisOf = (from: number, to: number, first: number, count: number, { support, weight }: Filter): Axis => {
  if (from === to) return { from: first, length: count, weights: undefined }
  const scale = from / to
  const stretch = Math.max(1, scale)
  const reach = support * stretch
  // at most `from` inputs: a strip of pixels that shrinks to one does not need twice as many
  const stride = Math.min(from, Math.ceil(reach) * 2 + 1)
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  const values = new Int32Array(count * stride)
  const weights = new Float64Array(stride)
  for (let i = 0; i < count; i++) {
    const center = (first + i + 0.5) * scale
    const start = Math.max(0, Math.trunc(center - reach + 0.5))
    const many = Math.min(from, Math.trunc(center + reach + 0.5)) - start
    let sum = 0
    for (let k = 0; k < many; k++) {
      weights[k] = weight((k + start - center + 0.5) * (1 / stretch))
      sum += weights[k]!
    }
    starts[i] = start
    counts[i] = many
    for (let k = 0; k < many; k++) {
      const share = (sum === 0 ? weights[k]! : weights[k]! / sum) * 2 ** PRECISION
      values[i * stride + k] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5)
    }
  }
  const used = starts[0]!
  for (let i = 0; i < count; i++) starts[i]! -= used
  return { from: used, length: starts[count - 1]! + counts[count - 1]!, weights: { starts, counts, values, stride } }
}

const HALF = 1 << (PRECISION - 1)

/** Converts fixed point to a byte, clamped to 0..255. */
const byteOf = (sum: number): number => Math.max(0, Math.min(255, sum >> PRECISION))

/** Resizes rows: as many columns as there are weights. */
const alongRows = ({ width, height, channels, data }: Raster, { starts, counts, values, stride }: Weights): Raster => {
  const columns = starts.length
  const out = new Uint8Array(columns * height * channels)
  let to = 0
  for (let y = 0; y < height; y++) {
    const row = y * width * channels
    for (let x = 0; x < columns; x++) {
      const weight = x * stride
      const many = counts[x]!
      let from = row + starts[x]! * channels
      if (channels === 1) {
        let sum = HALF
        for (let k = 0; k < many; k++) sum = (sum + Math.imul(data[from + k]!, values[weight + k]!)) | 0
        out[to++] = byteOf(sum)
        continue
      }
      let [red, green, blue] = [HALF, HALF, HALF]
      for (let k = 0; k < many; k++, from += 3) {
        const value = values[weight + k]!
        red = (red + Math.imul(data[from]!, value)) | 0
        green = (green + Math.imul(data[from + 1]!, value)) | 0
        blue = (blue + Math.imul(data[from + 2]!, value)) | 0
      }
      out[to] = byteOf(red)
      out[to + 1] = byteOf(green)
      out[to + 2] = byteOf(blue)
      to += 3
    }
  }
  return { width: columns, height, channels, data: out }
}

/** Resizes columns: as many rows as there are weights. */
const alongColumns = ({ width, channels, data }: Raster, { starts, counts, values, stride }: Weights): Raster => {
  const rows = starts.length
  const line = width * channels
  const out = new Uint8Array(line * rows)
  const sums = new Int32Array(line)
  for (let y = 0; y < rows; y++) {
    sums.fill(HALF)
    for (let k = 0; k < counts[y]!; k++) {
      const value = values[y * stride + k]!
      const from = (starts[y]! + k) * line
      for (let i = 0; i < line; i++) sums[i] = (sums[i]! + Math.imul(data[from + i]!, value)) | 0
    }
    const to = y * line
    for (let i = 0; i < line; i++) out[to + i] = byteOf(sums[i]!)
  }
  return { width, height: rows, channels, data: out }
}

/** Maximum number of positions to sum one by one; the center of a strip of pixels may come after billions of them. */
const MOST_SUMMED = 2 ** 20

/** Returns the nearest input pixel of each output. Sums positions as Pillow does, including its rounding errors. */
const nearest = (from: number, to: number, first: number, count: number): Int32Array => {
  const step = from / to
  const places = new Int32Array(count)
  let at = step * 0.5
  if (first > MOST_SUMMED) at += step * first
  else for (let i = 0; i < first; i++) at += step
  for (let i = 0; i < count; i++, at += step) places[i] = Math.min(from - 1, Math.trunc(at))
  return places
}

const picked = ({ width, channels, data }: Raster, columns: Int32Array, rows: Int32Array): Raster => {
  const out = new Uint8Array(columns.length * rows.length * channels)
  let to = 0
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * width + column) * channels
      for (let channel = 0; channel < channels; channel++) out[to++] = data[from + channel]!
    }
  }
  return { width: columns.length, height: rows.length, channels, data: out }
}

/** Returns a part of an image. */
export const cropped = (image: Raster, { left, top, width, height }: Window): Raster => {
  const { channels } = image
  if (width === image.width && height === image.height) return image
  const data = new Uint8Array(width * height * channels)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * channels
    data.set(image.data.subarray(from, from + width * channels), y * width * channels)
  }
  return { width, height, channels, data }
}

/** Returns the part `window` of a resized image; computes no other pixels. */
export const resized = (
  image: Raster,
  size: { readonly width: number; readonly height: number },
  resampling: Resampling,
  window: Window = { left: 0, top: 0, ...size }
): Raster => {
  if (size.width === image.width && size.height === image.height) return cropped(image, window)
  if (resampling === "nearest") {
    return picked(
      image,
      nearest(image.width, size.width, window.left, window.width),
      nearest(image.height, size.height, window.top, window.height)
    )
  }
  const filter = filters[resampling]
  const across = axisOf(image.width, size.width, window.left, window.width, filter)
  const down = axisOf(image.height, size.height, window.top, window.height, filter)
  const used = cropped(image, { left: across.from, top: down.from, width: across.length, height: down.length })
  // order of Pillow 13, by the reduction in pixels; older versions always start with rows, which may differ by one level
  const lost = image.height - size.height
  const columnsFirst = lost > 0 && lost > 2 * (image.width - size.width)
  const rowsOf = (part: Raster) => (across.weights === undefined ? part : alongRows(part, across.weights))
  const columnsOf = (part: Raster) => (down.weights === undefined ? part : alongColumns(part, down.weights))
  return columnsFirst ? rowsOf(columnsOf(used)) : columnsOf(rowsOf(used))
}
