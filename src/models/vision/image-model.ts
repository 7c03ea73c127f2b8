/** Models of images: what is known of one without a weight, and one on the device. */
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import type { Linear, Weights } from "../../tensors/index.ts"
import type { FolderDescription } from "../folder-model.ts"
import type { Network, RunBlock, Stack } from "../model.ts"

/** Images as a model sees them, with the class of each. */
export interface ImageRows {
  /** how many images */
  readonly size: number
  /** as many as rows: the unit in which a step's speed is counted */
  readonly tokens: number
  /** [size, height, width, channels], scaled and normalized */
  readonly pixels: Float32Array
  /** `[size]`: indices of classes */
  readonly labels: Int32Array
}

/** All that is known of a model that classifies images without reading a weight. */
export interface ImageDescription extends FolderDescription {
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** blocks of the forward pass; absent: the forward pass is not a stack of blocks */
  readonly stack?: Stack | undefined
  /** input image, [height, width, 3] */
  readonly image: {
    /** pixels */
    readonly height: number
    /** pixels */
    readonly width: number
  }
  /** numbers of a hidden state */
  readonly hiddenSize: number
  /** blocks */
  readonly layers: number
  /** heads of each attention */
  readonly attentionHeads: number
  /** numbers inside the feed-forward part */
  readonly intermediateSize: number
  /** positions of a sequence: patches, and the class token */
  readonly positions: number
}

export interface ImageModel extends ImageDescription, Network {
  /** the linear layers of the blocks */
  readonly sites: ImageDescription["sites"]
  readonly parameters: ImageDescription["parameters"]
  readonly head: ImageDescription["head"]
  readonly stack?: Stack | undefined
  readonly prefix: string
  /** input: [size, height, width, 3]; target: the labels, int32 [size] */
  readonly toDevice: (batch: ImageRows) => {
    /** `[size, height, width, 3]` */
    readonly input: Tensor4D
    /** int32 [size]: indices of classes */
    readonly target: Tensor1D
  }
  /** logits [size, classes] */
  readonly forward: (images: Tensor4D, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
}
