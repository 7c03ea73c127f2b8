/** Image data: labelled images of a folder or of rows, and their batches. Loaded only by kinds of runs over images. */

export { isImageName } from "../label-folders.ts"
export { imagesOf, inputProblem, pixelsIn } from "./asked.ts"
export {
  augmentationOf,
  type ImageBatch,
  type ImageTrainingOptions,
  imageBytes,
  imageEvaluationBatches,
  imageTrainingBatches,
  openPreparing,
  type Preparing,
  readyImages
} from "./batches.ts"
export { type ImageClasses, type ImageSection, type ImagesSummary, openImages } from "./open.ts"
export { embeddedImage, imageForm, isEmbedded } from "./value.ts"
