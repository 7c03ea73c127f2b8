/** Numbers on the host, without tfjs: seeded random streams, half precision, and weights packed into fewer bits. */
export {
  BLOCK,
  fromBfloat16,
  fromFloat16,
  KEPT,
  KEPT_TABLES,
  LARGEST_HALF,
  LARGEST_IN_F16,
  LARGEST_STORABLE,
  type MatrixShape,
  type PackedHostMatrix,
  type Packing,
  PER_WORD,
  packedBytes,
  packMatrix,
  TABLES,
  toFloat16,
  type Unstorable,
  wordsOfRow
} from "./packing.ts"
export { gaussian, type Random, type RandomState, randomStream, xoshiro128 } from "./random.ts"
