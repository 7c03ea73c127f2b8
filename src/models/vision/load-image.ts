/** Loads the weights of a described classifier of images. They stay on the device until the scope ends. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type LoadFolderOptions, loadFolder } from "../folder-model.ts"
import type { DescribedImageModel } from "./describe-image.ts"
import type { ImageModel } from "./image-model.ts"
import { classified, encodeImages, pooledImages } from "./tower.ts"

/** Loads the weights of a described classifier. Requires an open device. */
export const loadImageModel = (description: DescribedImageModel, options: LoadFolderOptions) =>
  Effect.map(loadFolder(description, options), (loaded): DescribedImageModel & ImageModel => ({
    ...description,
    ...loaded,
    toDevice: imagesToDevice(description.image),
    forward: forwardOf(description)
  }))

/** Uploads a batch; the caller's tidy owns the tensors. Throws if the images have another size. */
export const imagesToDevice =
  ({ height, width }: ImageModel["image"]): ImageModel["toDevice"] =>
  ({ size, pixels, labels }) => ({
    input: tf.tensor4d(pixels, [size, height, width, 3]),
    target: tf.tensor1d(labels, "int32")
  })

const forwardOf =
  ({ tower, imageFamily: { pooling } }: DescribedImageModel): ImageModel["forward"] =>
  (images, linear, weights, runBlock) =>
    tf.tidy(() => {
      const hidden = encodeImages(tower, images, linear, weights, runBlock)
      return classified(pooledImages(tower, pooling, hidden, weights), weights)
    })
