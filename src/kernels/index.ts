/** The door of this room: what kernels of our own compute, and what declares them. */
export { type AdamDecays, type AdamRates, adamMoves, ratesAt } from "./adam.ts"
export {
  type Attention,
  type AttentionHeads,
  type AttentionMask,
  attention,
  type Segments,
  segmentsOfPadding
} from "./attention.ts"
export { savedWeights } from "./attention-shape.ts"
export { clippedRelu } from "./clipped-relu.ts"
export { combined, scaled } from "./combination.ts"
export { IGNORED, sparseCrossEntropy } from "./cross-entropy.ts"
export {
  declaredKernels,
  declareKernel,
  type Field,
  type Kernel,
  layoutOf,
  optional,
  read,
  write
} from "./declaration.ts"
export { denseLinear, frozenLinear } from "./dense-linear.ts"
export { depthwiseConvolution } from "./depthwise-convolution.ts"
export { dequantized, rowsOf } from "./dequantize.ts"
export { type DropoutMask, dropout } from "./dropout.ts"
export { embedded, loraEmbedded } from "./embedding.ts"
export { type GeluForm, gelu } from "./gelu.ts"
export { defineKernel, kernelNames, referenceOf } from "./kernel.ts"
export { layerNorm } from "./layer-norm.ts"
export { linearCrossEntropy, tokenCrossEntropies, tokenScores } from "./linear-cross-entropy.ts"
export { lionMoves } from "./lion.ts"
export { loraLinear } from "./lora-linear.ts"
export { loraLinears } from "./lora-linears.ts"
export { loraProDirections } from "./lora-pro.ts"
export { loraProAdamMoves, type PairStep } from "./lora-pro-adam.ts"
export {
  equivalentGradient,
  type Factors,
  freeMatrix,
  theorem,
  theoremThrough,
  type Whitening,
  type XChoice
} from "./lora-pro-theorem.ts"
export { bytesOfFileRow, FILE_TYPES, fileMapper, mappedMatrix } from "./mapped-matrix.ts"
export { maxPooling } from "./max-pooling.ts"
export { orthogonality } from "./orthogonality.ts"
export { patches } from "./patches.ts"
export { putRows } from "./put-rows.ts"
export { rmsNorm, rmsNormAndSum } from "./rms-norm.ts"
export { rope } from "./rope.ts"
export { scaledColumns } from "./scaled-columns.ts"
export { squaredNorms } from "./squared-norms.ts"
export { stateTensor, stateZeros } from "./state.ts"
export { swiglu } from "./swiglu.ts"
export { groupsOf, unstacked } from "./tensor-lists.ts"
export { kernelsVersion } from "./version.ts"
export { mostWhitenedRank, stackedRootsOnWasm, type Whitened, whitenedOnDevice } from "./whitening.ts"
export { axesOf, outputSize, type Pair, type Window } from "./window.ts"
