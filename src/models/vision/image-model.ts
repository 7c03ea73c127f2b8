/** Models of images: what is known of one without a weight, and one on the device. */
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import type { Linear, Weights } from "../../tensors/index.ts"
import type { FolderDescription } from "../folder-model.ts"
import type { Network, RunBlock, Stack } from "../model.ts"

/** Images as a model sees them, with the class of each. */
export interface ImageRows {
  readonly size: number
  /** as many as rows: the unit in which a step's speed is counted */
  readonly tokens: number
  /** [size, height, width, channels], scaled and normalized */
  readonly pixels: Float32Array
  readonly labels: Int32Array // [size]
}

/** All that is known of a model that classifies images without reading a weight. */
export interface ImageDescription extends FolderDescription {
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  readonly stack?: Stack | undefined
  /** what the model looks at: [height, width, 3] */
  readonly image: { readonly height: number; readonly width: number }
  readonly hiddenSize: number
  readonly layers: number
  readonly attentionHeads: number
  readonly intermediateSize: number
  /** positions of a sequence: patches, and the class token */
  readonly positions: number
}

export interface ImageModel extends ImageDescription, Network {
  readonly sites: ImageDescription["sites"]
  readonly parameters: ImageDescription["parameters"]
  readonly head: ImageDescription["head"]
  readonly stack?: Stack | undefined
  readonly prefix: string
  /** input: [size, height, width, 3]; target: the labels, int32 [size] */
  readonly toDevice: (batch: ImageRows) => { readonly input: Tensor4D; readonly target: Tensor1D }
  /** logits [size, classes] */
  readonly forward: (images: Tensor4D, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
}
