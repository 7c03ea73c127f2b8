/**
 * Tensors of tfjs and what is written over them: trees of trained tensors, linear layers as data, reads, packed weights, and
 * reverse-mode differentiation that frees as it goes. What needs no tfjs is in `src/numbers` and `src/safetensors`.
 */
export { valueAndGradients } from "./gradients.ts"
export {
  type FrozenMatrix,
  isPacked,
  type PackedMatrix,
  tensorsOfMatrix,
  unpacked
} from "./packed-matrix.ts"
export { DeviceReadError, isHostResident, readTensor, readTogether, tensorsFrom } from "./read.ts"
export type {
  CausalRows,
  CausalTokenizer,
  Seq2SeqRows,
  TokenRows,
  TokenTexts
} from "./rows.ts"
export { inPlaceOf, tidy } from "./scopes.ts"
export { addNode, disposeAll, handleOf, isRecording, isWanted, observe, ofFirst } from "./tape.ts"
export { recomputed, stopGradient, weightTap } from "./tape-nodes.ts"
export type { FannedOut, Linear, LinearSite, Together, Weights } from "./trainable.ts"
export {
  type DenseParameter,
  type DenseRole,
  everyTensorOf,
  type FactorPair,
  type Factors,
  fanOut,
  frozenOf,
  mapEveryTensor,
  mapTensors,
  restoredFrom,
  sizeOf,
  type Trainable,
  tensorsOf,
  withFactors,
  withFrozen,
  withTensors
} from "./trainable.ts"
export { uploadPacked } from "./upload-packed.ts"
