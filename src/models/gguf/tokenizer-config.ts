/** tokenizer_config.json: the names of the special tokens and the chat template. */
import type { Metadata } from "./gguf-file.ts"
import type { Vocabulary } from "./vocabulary.ts"

export interface Around {
  readonly addBos: boolean
  readonly addEos: boolean
  readonly addPrefixSpace: boolean
}

export const tokenizerConfigOf = (
  { tokens, bosId, eosId, unkId, padId }: Vocabulary,
  metadata: Metadata,
  { addBos, addEos, addPrefixSpace }: Around
) => {
  const named = (name: string, id: number | null) => (id === null ? {} : { [name]: tokens[id]! })
  const template = metadata.get("tokenizer.chat_template")
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...named("bos_token", bosId),
    ...named("eos_token", eosId),
    ...named("unk_token", unkId),
    ...named("pad_token", padId),
    add_bos_token: addBos,
    add_eos_token: addEos,
    add_prefix_space: addPrefixSpace,
    clean_up_tokenization_spaces: false,
    ...(typeof template === "string" ? { chat_template: template } : {})
  }
}
