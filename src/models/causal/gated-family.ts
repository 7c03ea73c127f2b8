/** A family of `gated-decoder.ts`: what its config says, put into the common spelling. */
import * as Result from "effect/Result"
import type { CausalFamily } from "./causal-family.ts"
import type { GatedConfig } from "./gated-config.ts"
import { gatedDecoder } from "./gated-decoder.ts"

/** What stands before the backbone's names in transformers' class. */
const PREFIX = "model."

export const gatedFamily = (
  name: string,
  read: (config: unknown) => Result.Result<GatedConfig, ReadonlyArray<string>>
): CausalFamily => ({
  name,
  otherPrefixes: [],
  open: (config) => Result.map(read(config), (own) => gatedDecoder(name, PREFIX, own))
})
