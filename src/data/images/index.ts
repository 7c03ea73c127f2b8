/** Images as data: labelled images of a folder or of rows, and batches of them. Loaded by kinds over images alone. */
export {
  askedImages,
  type ImageBatch,
  type ImageTrainingOptions,
  imageEvaluationBatches,
  imageTrainingBatches,
  jobsOf,
  type Prepare
} from "./batches.ts"
export { entriesOf, isImageName, splitFolders } from "./folder.ts"
export { type ImageClasses, type ImageSection, type ImagesSummary, openImages } from "./open.ts"
