/** A `tf.LayersModel` as a network to adapt, and as a classifier. */
export {
  type DescribedLayers,
  describeLayersClassifier,
  type LayersClassifier,
  loadLayersClassifier
} from "./classifier.ts"
export { assign, type LayerVariable, sameStructure, variablesOf } from "./copy.ts"
export {
  type FromLayersModelOptions,
  fromLayersModel,
  type HostArray,
  type LayersBatch,
  LayersModelError,
  type LayersNetwork
} from "./from-layers-model.ts"
export type { Layer } from "./layer.ts"
export { weightFiles } from "./model-files.ts"
export { type NewHead, type ScoringLayer, scoringLayer, withNewHead } from "./new-head.ts"
export { type SmallerForm, type SmallerTensor, smallerWeights } from "./smaller-weights.ts"
export { readSpecs } from "./weight-manifest.ts"
