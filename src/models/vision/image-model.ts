/** Models of images: what is known of one without a weight, and one on the device. */
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import type { Linear, Weights } from "../../tensors/index.ts"
import type { FolderDescription } from "../folder-model.ts"
import type { Network, RunBlock, Stack } from "../model.ts"

/** Preprocessed images with their classes. */
export interface ImageRows {
  /** number of images */
  readonly size: number
  /** number of rows: the unit of a step's speed */
  readonly tokens: number
  /** `[size, height, width, channels]`: scaled and normalized */
  readonly pixels: Float32Array
  /** `[size]`: class indices */
  readonly labels: Int32Array
}

/** Description of an image classifier; no weights are read. */
export interface ImageDescription extends FolderDescription {
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** blocks of the forward pass; absent: the forward pass is not a stack of blocks */
  readonly stack?: Stack | undefined
  /** input image, [height, width, 3] */
  readonly image: {
    /** height in pixels */
    readonly height: number
    /** width in pixels */
    readonly width: number
  }
  /** width of a hidden state */
  readonly hiddenSize: number
  /** number of blocks */
  readonly layers: number
  /** number of heads per attention */
  readonly attentionHeads: number
  /** width of the feed-forward part */
  readonly intermediateSize: number
  /** number of positions: patches, and the class token */
  readonly positions: number
}

/** A loaded image classifier. */
export interface ImageModel extends ImageDescription, Network {
  /** linear layers of the blocks */
  readonly sites: ImageDescription["sites"]
  readonly parameters: ImageDescription["parameters"]
  readonly head: ImageDescription["head"]
  readonly stack?: Stack | undefined
  readonly prefix: string
  /** Uploads a batch. */
  readonly toDevice: (batch: ImageRows) => {
    /** `[size, height, width, 3]` */
    readonly input: Tensor4D
    /** class indices, int32 [size] */
    readonly target: Tensor1D
  }
  /** Computes logits [size, classes]. */
  readonly forward: (images: Tensor4D, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
}
