/** What `loraLinears` is given. */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import type { FrozenMatrix } from "../tensors/index.ts"

export interface LoraLayer {
  readonly W: FrozenMatrix
  readonly bias: Tensor1D | null
  readonly A: Tensor2D
  readonly B: Tensor2D
  readonly scale: number
}

export interface LoraLinearsOptions {
  /** with x again; default true */
  readonly passes?: boolean
  /** of GELU of y, of a layer by itself, while a tape is recorded: it wants the derivative */
  readonly form?: "erf" | "tanh" | "quick" | undefined
}
