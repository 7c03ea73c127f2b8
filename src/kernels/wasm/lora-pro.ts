/** LoRA-Pro on the wasm engine: sizes that the host and `../c/lora-pro.h` have to agree about. All in floats but for `bytes`. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { XChoice } from "../lora-pro-theorem.ts"

/** Sizes of a pair; W is [out, in]. */
export interface PairSizes {
  readonly r: number
  readonly inputs: number
  readonly outputs: number
}

/** Returns the sizes of A [r, in] and B [out, r]. */
export const sizesOf = (A: TensorInfo, B: TensorInfo): PairSizes => ({
  r: A.shape[0]!,
  inputs: A.shape[1]!,
  outputs: B.shape[0]!
})

/** Returns the number by which kernels identify a choice of X. */
export const codeOf = (x: XChoice): number => ["sylvester", "zero", "symmetric"].indexOf(x)

/** Returns the length of a row in panels of twelve. */
export const wholePanels = (n: number): number => Math.ceil(n / 12) * 12

/** Returns the maximum length of n columns in the panels of either engine, of 8, 12, 16 or 32 columns. */
export const inPanels = (n: number): number => n + 31

/** Floats of padding with which scratch can be aligned to vectors, twice. */
export const ALIGNED = 32

/** Scratch of every kernel over pairs: of the theorem, and of what follows it. */
const theoremScratch = ({ r, inputs, outputs }: PairSizes): number => {
  const [wide, narrow] = [wholePanels(inputs), wholePanels(r)]
  const flat = r * wide
  const tall = outputs * narrow
  const small = 3 * r * narrow
  const longest = Math.max(inputs, outputs, r)
  const panels = Math.max(r * inPanels(longest), longest * inPanels(r))
  // Q, b, R, a, R transposed, and one more of either kind
  return ALIGNED + small + panels + 3 * tall + 3 * flat + inputs * narrow
}

/** Returns the bytes of scratch for the largest pair. */
export const scratchOfPairs = (pairs: ReadonlyArray<PairSizes>): number =>
  4 * pairs.reduce((most, sizes) => Math.max(most, theoremScratch(sizes)), 0)

/** Returns the number of multiplications of the theorem: about ten thin products per pair. */
export const costOfPairs = (pairs: ReadonlyArray<PairSizes>): number =>
  pairs.reduce((sum, { r, inputs, outputs }) => sum + 5 * r * r * (inputs + outputs), 0)
