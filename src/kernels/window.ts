/** Where a window lies over a picture: shared by convolutions and poolings. */
import type { WordsOf, WordTypes } from "./declaration.ts"

/** Sizes along both axes. */
export type Pair = readonly [height: number, width: number]

/** Window of a convolution or pooling. */
export interface Window {
  readonly kernel: Pair
  readonly strides: Pair
  readonly dilation: Pair
  /** "causal" pads before the first row only (one axis, which is the height) */
  readonly padding: "same" | "valid" | "causal"
}

/**
 * Positions of a window along one axis: the first, relative to the first pixel; their number; and the number of pixels from the first to the last
 * of a window.
 */
export interface Axis {
  readonly first: number
  readonly places: number
  readonly span: number
}

const axisOf = (size: number, kernel: number, stride: number, dilation: number, padding: Window["padding"]): Axis => {
  const span = (kernel - 1) * dilation + 1
  if (padding === "valid") return { first: 0, places: Math.max(0, Math.floor((size - span) / stride) + 1), span }
  if (padding === "causal") return { first: 1 - span, places: Math.floor((size - 1) / stride) + 1, span }
  const places = Math.ceil(size / stride)
  // an odd pixel of padding goes after the image, as in TensorFlow
  return { first: 0 - Math.floor(Math.max(0, (places - 1) * stride + span - size) / 2), places, span }
}

/** Returns both axes of a window. */
export const axesOf = (
  [height, width]: Pair,
  { kernel, strides, dilation, padding }: Window
): readonly [vertical: Axis, horizontal: Axis] => [
  axisOf(height, kernel[0], strides[0], dilation[0], padding),
  axisOf(width, kernel[1], strides[1], dilation[1], padding)
]

/** Returns the height and width of the output. */
export const outputSize = (size: Pair, window: Window): Pair => {
  const [vertical, horizontal] = axesOf(size, window)
  return [vertical.places, horizontal.places]
}

/** Words of wasm kernels over windows. */
export const WINDOW_WORDS = {
  ...{ batch: "u32", channels: "u32", height: "u32", width: "u32" },
  /** numbers of positions */
  ...{ rows: "u32", columns: "u32" },
  ...{ kernelHeight: "u32", kernelWidth: "u32", strideY: "u32", strideX: "u32", dilationY: "u32", dilationX: "u32" },
  /** first position */
  ...{ top: "i32", left: "i32" }
} as const satisfies WordTypes

/** Shape [batch, height, width, channels]. */
export type PictureShape = readonly [batch: number, height: number, width: number, channels: number]

/** Returns the words of a window for kernels on wasm. */
export const windowWords = (
  [batch, height, width, channels]: PictureShape,
  window: Window
): WordsOf<typeof WINDOW_WORDS> => {
  const [vertical, horizontal] = axesOf([height, width], window)
  const [[kernelHeight, kernelWidth], [strideY, strideX]] = [window.kernel, window.strides]
  const [dilationY, dilationX] = window.dilation
  return {
    ...{ batch, channels, height, width, rows: vertical.places, columns: horizontal.places },
    ...{ kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX },
    ...{ top: vertical.first, left: horizontal.first }
  }
}
