/**
 * Image types: results of decoding, preprocessing for a model, and its inputs.
 *
 *   bytes → header (no pixels decoded; images over a limit are rejected) → pixels, upright, RGB → resized, cropped → model input values
 */
import * as Schema from "effect/Schema"

/** An image that cannot be read. */
export class ImageError extends Schema.TaggedError<ImageError>()("ImageError", {
  /** file of the image, or the row that contains it */
  where: Schema.String,
  /** the problem, as the end of a sentence that begins with `where` */
  reason: Schema.String
}) {
  override get message() {
    return `${this.where}: ${this.reason}`
  }
}

/** Supported image formats. */
export type ImageFormat = "png" | "jpeg" | "webp"

/** The header of an image. */
export interface ImageHeader {
  /** format detected from the first bytes, regardless of the file name */
  readonly format: ImageFormat
  /** stored width in pixels, before `orientation` is applied */
  readonly width: number
  /** stored height in pixels, before `orientation` is applied */
  readonly height: number
  /** EXIF orientation, 1 to 8; 1 (upright) if absent */
  readonly orientation: number
}

/** Upright RGB bytes, row-major, shape [height, width, 3]. Alpha channels are dropped, as by Pillow's `convert("RGB")`; grey has three equal channels. */
export interface Pixels {
  /** number of columns */
  readonly width: number
  /** number of rows */
  readonly height: number
  /** row-major bytes, 3·height·width in number */
  readonly data: Uint8Array
}

/** Pillow's resampling filters, by name. */
export type Resampling = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos"

/** Size of an image in pixels. */
export interface Size {
  /** number of rows */
  readonly height: number
  /** number of columns */
  readonly width: number
}

/** Preprocessing of a model's images: resizing, cropping to `size`, and normalization. */
export interface Processing {
  /** final size: larger images are center-cropped, smaller ones padded with black */
  readonly size: Size
  /**
   * Resizing before cropping: to a fixed size, regardless of the aspect ratio; of the shorter edge, keeping the aspect ratio; "cover": to the
   * smallest size with the image's aspect ratio that covers `size`; null: no resizing.
   */
  readonly resize:
    | Size
    | {
        /** length of the shorter edge in pixels */
        readonly shortestEdge: number
      }
    | "cover"
    | null
  /** resampling filter */
  readonly resampling: Resampling
  /** factor that bytes are multiplied by, usually 1/255 */
  readonly scale: number
  /** mean of each channel, after scaling: (x − mean) / deviation */
  readonly mean: readonly [number, number, number]
  /** standard deviation of each channel: the divisor of (x − mean) */
  readonly deviation: readonly [number, number, number]
  /** 1: grey, ITU-R 601-2 luma as Pillow's `convert("L")`, with mean and deviation of the first channel */
  readonly channels: 1 | 3
}

/** Random augmentation of training images. A random crop replaces `Processing.resize`. */
export interface Augmentation {
  /** whether to flip horizontally, with probability ½ */
  readonly flip: boolean
  /** minimum area share of torchvision's RandomResizedCrop, with aspect ratios from 3:4 to 4:3; null: no random crop */
  readonly crop: number | null
}

/** Everything that determines the random augmentation of an image. */
export interface ImageDraw {
  /** seed of the run */
  readonly seed: number
  /** epoch, from 0 */
  readonly epoch: number
  /** index of the image in its split */
  readonly row: number
}

/** An image to preprocess. */
export interface ImageJob {
  /** path of a file, or the image's bytes */
  readonly image: string | Uint8Array
  /** name of the image in messages */
  readonly where: string
  /** random augmentation; absent: none */
  readonly random?: ImageDraw
}
