/** Inputs of `loraLinears`. */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import type { FrozenMatrix } from "../tensors/index.ts"

/** A linear layer with LoRA factors. */
export interface LoraLayer {
  readonly W: FrozenMatrix
  readonly bias: Tensor1D | null
  readonly A: Tensor2D
  readonly B: Tensor2D
  readonly scale: number
}

/** Options of `loraLinears`. */
export interface LoraLinearsOptions {
  /** whether to return x too; default true */
  readonly passes?: boolean
  /** form of GELU applied to y, for a single layer while a tape records, which needs the derivative; undefined: no GELU */
  readonly form?: "erf" | "tanh" | "quick" | undefined
}
