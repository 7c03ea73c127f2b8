/**
 * Images on the host: what decoding gives, what is made of it for a model, and what asks for that.
 *
 *   bytes → header (no pixel is decoded; what is too large is refused) → pixels, upright, RGB → resized, cropped → numbers of a model
 */
import * as Schema from "effect/Schema"

/** An image that cannot be read. `where`: its file, or the row that holds it; `reason`: the end of a sentence that begins with that. */
export class ImageError extends Schema.TaggedError<ImageError>()("ImageError", {
  /** file or row */
  where: Schema.String,
  /** the end of a sentence that begins with that */
  reason: Schema.String
}) {
  override get message() {
    return `${this.where}: ${this.reason}`
  }
}

/** The formats of image files that are read. */
export type ImageFormat = "png" | "jpeg" | "webp"

/** What the first bytes of a file say. */
export interface ImageHeader {
  /** told by the first bytes, whatever the file's name */
  readonly format: ImageFormat
  /** pixels, as they are stored: before `orientation` */
  readonly width: number
  /** pixels, as they are stored: before `orientation` */
  readonly height: number
  /** EXIF's, 1 to 8; 1 where there is none: as it is */
  readonly orientation: number
}

/** Upright RGB bytes, row by row: [height, width, 3]. An alpha channel is dropped, as `convert("RGB")` of Pillow does; grey has three equal channels. */
export interface Pixels {
  /** columns */
  readonly width: number
  /** rows */
  readonly height: number
  /** row-major, 3·height·width bytes */
  readonly data: Uint8Array
}

/** Pillow's filters, by its names. */
export type Resampling = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos"

/** Rows and columns of an image, in pixels. */
export interface Size {
  /** rows */
  readonly height: number
  /** columns */
  readonly width: number
}

/** What a model's images have been through: resized, then cut to their `size`, then made numbers. */
export interface Processing {
  /** of every image in the end: the middle is kept of what is larger, and what is smaller is padded with black */
  readonly size: Size
  /**
   * Before that: to a size whatever the proportions are; the shorter edge to a length, and the other with it; "cover": the smallest with
   * the image's proportions that leaves none of `size` empty; null: not resized.
   */
  readonly resize:
    | Size
    | {
        /** pixels of the shorter edge */
        readonly shortestEdge: number
      }
    | "cover"
    | null
  /** the filter that resizes */
  readonly resampling: Resampling
  /** what bytes are multiplied by: 1/255 */
  readonly scale: number
  /** of each channel, after scaling: (x − mean) / deviation */
  readonly mean: readonly [number, number, number]
  /** of each channel: what (x − mean) is divided by */
  readonly deviation: readonly [number, number, number]
  /** 1: grey, ITU-R 601-2 luma as Pillow's `convert("L")`, of the first channel's mean and deviation */
  readonly channels: 1 | 3
}

/** Changes at random to an image that is trained on. A random crop takes the place of `Processing.resize`. */
export interface Augmentation {
  /** left and right are exchanged with probability ½ */
  readonly flip: boolean
  /** torchvision's RandomResizedCrop: the least share of the area that is kept, with proportions from 3:4 to 4:3; null: no random crop */
  readonly crop: number | null
}

/** What an image's changes at random depend on, and on nothing else. */
export interface ImageDraw {
  /** the run's */
  readonly seed: number
  /** from 0 */
  readonly epoch: number
  /** its number in the split */
  readonly row: number
}

/** An image that is to be made ready. */
export interface ImageJob {
  /** a file's path, or the image's bytes */
  readonly image: string | Uint8Array
  /** what messages call it */
  readonly where: string
  /** absent: nothing is changed at random */
  readonly random?: ImageDraw
}
