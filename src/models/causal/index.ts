/**
 * Causal language models: a source (a folder here, a GGUF file elsewhere), its description, and the loaded model.
 *
 * @example
 * const source = yield* folderSource("./smollm2")
 * const model = yield* loadCausal(source, yield* describeCausal(source))
 */
export { type CausalFamilyName, causalFamilies } from "./causal-families.ts"
export type { CausalFamily } from "./causal-family.ts"
export type { CausalDescription, CausalModel } from "./causal-model.ts"
export { causalTokenizer } from "./causal-tokenizer.ts"
export type { CheckpointSource } from "./checkpoint-source.ts"
export {
  type Attend,
  type CausalInput,
  type CausalOutput,
  type Decoder,
  type DecoderSizes,
  decode,
  logitsOf
} from "./decoder.ts"
export { describeCausal } from "./describe-causal.ts"
export { feedCausal } from "./feed-causal.ts"
export { folderSource } from "./folder-source.ts"
export { type LoadCausalOptions, loadCausal } from "./load-causal.ts"
export { openCausalModel, openSource } from "./open-causal.ts"
export { causalClassName } from "./output-layer.ts"
