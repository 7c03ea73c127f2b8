/**
 * Causal language models: a source (a folder here, a GGUF file elsewhere), its description, and the loaded model.
 *
 * @example
 * import { Effect } from "effect"
 * import { Causal } from "tfjs-lora-pro/models"
 *
 * const model = Effect.gen(function* () {
 *   const source = yield* Causal.folderSource("./smollm2")
 *   return yield* Causal.loadCausal(source, yield* Causal.describeCausal(source))
 * })
 */
export type { CausalDescription, CausalModel, CheckpointSource } from "./causal-model.ts"
export { causalTokenizer, storedChatTemplate } from "./causal-tokenizer.ts"
export {
  type Attend,
  type CausalFamily,
  type CausalInput,
  type CausalOutput,
  causalClassName,
  type Decoder,
  type DecoderSizes,
  decode,
  logitsOf,
  OUTPUT_LAYER,
  tablesOf,
  transposed
} from "./decoder.ts"
export { causalFamilies } from "./families.ts"
export { causalToDevice, type LoadCausalOptions, loadCausal } from "./load-causal.ts"
export { describeCausal, folderSource, openCausalModel, openSource } from "./open-causal.ts"
