/** Numbers on the host, without tfjs: seeded random streams, half precision, and weights packed into fewer bits. */
export {
  fromBfloat16,
  fromFloat16,
  LARGEST_HALF,
  LARGEST_IN_F16,
  type MatrixShape,
  type PackedHostMatrix,
  type Packing,
  PER_WORD,
  packedBytes,
  packMatrix,
  toFloat16,
  type Unstorable
} from "./packing.ts"
export { gaussian, type Random, type RandomState, randomStream, xoshiro128 } from "./random.ts"
