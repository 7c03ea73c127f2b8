/** What distinguishes one family of decoders from another: how its config is read, and where its tensors may lie in a file. */
import type * as Result from "effect/Result"
import type { Decoder } from "./decoder.ts"

export interface CausalFamily {
  /** `model_type` of config.json */
  readonly name: string
  /** The decoder that a config describes, or all that is wrong with it. */
  readonly open: (config: unknown) => Result.Result<Decoder, ReadonlyArray<string>>
  /** what stands before the backbone's names in files that differ from transformers' class today; "" is always tried */
  readonly otherPrefixes: ReadonlyArray<string>
}
