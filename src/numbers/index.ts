/** Numbers on the host, without tfjs: seeded random streams, half precision, and weights packed into fewer bits. */
export { fromBfloat16, fromFloat16, toFloat16 } from "./halves.ts"
export { packMatrix, type Unstorable } from "./pack-matrix.ts"
export {
  BLOCK,
  isPacking,
  KEPT,
  KEPT_TABLES,
  LARGEST_HALF,
  LARGEST_IN_F16,
  LARGEST_STORABLE,
  type MatrixFormat,
  type MatrixShape,
  type PackedHostMatrix,
  type Packing,
  PER_WORD,
  packedBytes,
  TABLES,
  type WeightForm,
  wordsOfRow
} from "./packing.ts"
export { gaussian, type Random, type RandomState, randomStream, xoshiro128 } from "./random.ts"
