/**
 * Models of images: ViT and CLIP's tower of images, each under a linear head, and CLIP with both towers and its zero-shot head.
 *
 * @example
 * import { Effect } from "effect"
 * import { Vision } from "tfjs-lora-pro/models"
 *
 * const model = Effect.flatMap(
 *   Vision.describeImageModel("hf:google/vit-base-patch16-224", { head: "checkpoint" }),
 *   (description) => Vision.loadImageModel(description, { seed: 0 })
 * )
 */
export { type DescribedImageModel, describeImageModel, type ImageOptions } from "./describe-image.ts"
export { imageFamilies } from "./families.ts"
export type { Extent, ImageConfig, ImageFamily } from "./image-family.ts"
export type { ImageDescription, ImageModel, ImageRows } from "./image-model.ts"
export { loadImageModel } from "./load-image.ts"
export { type Processed, readProcessing } from "./processing.ts"
export { embedImages, encodeImages, pooledImages, type Tower, towerOf, towerParameters, towerSites } from "./tower.ts"
export { describeZeroShot, loadZeroShot, type ZeroShotDescription, type ZeroShotOptions } from "./zero-shot.ts"
