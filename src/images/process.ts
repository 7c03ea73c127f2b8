/** Converts pixels to the input values of a model. */

import { drawn } from "./augment.ts"
import type { Augmentation, ImageDraw, Pixels, Processing, Size } from "./image.ts"
import { cropped, type Raster, resized, type Window } from "./resize.ts"

/** Converts to grey by ITU-R 601-2 luma, rounded as Pillow's `convert("L")`. */
const grey = ({ width, height, data }: Pixels): Raster => {
  const out = new Uint8Array(width * height)
  for (let i = 0, from = 0; i < out.length; i++, from += 3) {
    out[i] = (data[from]! * 19_595 + data[from + 1]! * 38_470 + data[from + 2]! * 7_471 + 0x8000) >> 16
  }
  return { width, height, channels: 1, data: out }
}

/** Returns the size that an image is resized to. The longer edge is rounded down, as in transformers' processors. */
const sizeOf = ({ width, height }: Size, { resize, size }: Processing): Size => {
  if (resize === null) return { width, height }
  if (resize === "cover") {
    const scale = Math.max(size.width / width, size.height / height)
    return {
      width: Math.max(size.width, Math.round(width * scale)),
      height: Math.max(size.height, Math.round(height * scale))
    }
  }
  if ("height" in resize) return resize
  const { shortestEdge } = resize
  return width <= height
    ? { width: shortestEdge, height: Math.trunc((shortestEdge * height) / width) }
    : { width: Math.trunc((shortestEdge * width) / height), height: shortestEdge }
}

/** Returns the center along an axis, and the black padding before it if the image is smaller. */
const middle = (
  has: number,
  wanted: number
): { readonly from: number; readonly length: number; readonly before: number } =>
  has >= wanted
    ? { from: Math.floor((has - wanted) / 2), length: wanted, before: 0 }
    : { from: 0, length: has, before: Math.ceil((wanted - has) / 2) }

/** Center-crops an image, or pads it with black. */
const centered = (image: Raster, processing: Processing): Raster => {
  const { size, resampling } = processing
  const whole = sizeOf(image, processing)
  const [across, down] = [middle(whole.width, size.width), middle(whole.height, size.height)]
  const window: Window = { left: across.from, top: down.from, width: across.length, height: down.length }
  const part = resized(image, whole, resampling, window)
  if (part.width === size.width && part.height === size.height) return part
  const { channels } = image
  const data = new Uint8Array(size.width * size.height * channels)
  for (let y = 0; y < part.height; y++) {
    const row = part.data.subarray(y * part.width * channels, (y + 1) * part.width * channels)
    data.set(row, ((down.before + y) * size.width + across.before) * channels)
  }
  return { ...size, channels, data }
}

/** Returns the value of each byte in each channel, in single precision, with NumPy's order of operations. */
const tableOf = ({ scale, mean, deviation, channels }: Processing): Float32Array => {
  const f = Math.fround
  const table = new Float32Array(256 * channels)
  for (let byte = 0; byte < 256; byte++) {
    for (let channel = 0; channel < channels; channel++) {
      table[byte * channels + channel] = f(f(f(byte * scale) - f(mean[channel]!)) / f(deviation[channel]!))
    }
  }
  return table
}

/** Returns the number of values of one processed image. */
export const numbersOf = ({ size, channels }: Processing): number => size.height * size.width * channels

/** Writes a processed image, shape [height, width, channels], into `out`. */
export const processInto = (
  out: Float32Array,
  pixels: Pixels,
  processing: Processing,
  augmentation?: Augmentation | undefined,
  draw?: ImageDraw | undefined
): void => {
  const { size, channels, resampling } = processing
  const image: Raster = channels === 1 ? grey(pixels) : { ...pixels, channels }
  const { crop, flip } = draw === undefined || augmentation === undefined ? {} : drawn(pixels, augmentation, draw)
  const { data } = crop === undefined ? centered(image, processing) : resized(cropped(image, crop), size, resampling)
  const table = tableOf(processing)
  const line = size.width * channels
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const from = y * line + (flip === true ? size.width - 1 - x : x) * channels
      const to = y * line + x * channels
      for (let channel = 0; channel < channels; channel++) {
        out[to + channel] = table[data[from + channel]! * channels + channel]!
      }
    }
  }
}

/** Returns an image as model input, shape [height, width, channels]. `draw`: random augmentation; absent: none. */
export const processed = (
  pixels: Pixels,
  processing: Processing,
  augmentation?: Augmentation | undefined,
  draw?: ImageDraw | undefined
): Float32Array<ArrayBuffer> => {
  const out = new Float32Array(numbersOf(processing))
  processInto(out, pixels, processing, augmentation, draw)
  return out
}
