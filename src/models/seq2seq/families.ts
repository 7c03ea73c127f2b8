/** The families that read one text and write another, by `model_type` of config.json. Adding one takes a file and a line here (CONTRIBUTING.md). */
import type { Seq2SeqFamily } from "./seq2seq-model.ts"
import { mt5, t5, umt5 } from "./t5.ts"

/** Every family of encoder-decoders by `model_type`. */
export const seq2seqFamilies = { t5, mt5, umt5 } as const satisfies Record<string, Seq2SeqFamily>
