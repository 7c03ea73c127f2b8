/** What a model writes for texts that it reads, all together. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import { writeTargets } from "../../generation/index.ts"
import type { Seq2SeqModel } from "../../models/seq2seq/index.ts"
import type { WrittenText } from "../kind.ts"

/** `sources`: their ids. */
export const writtenFor = (
  adapted: Adapted<Seq2SeqModel>,
  sources: ReadonlyArray<ReadonlyArray<number>>,
  { maxTokens, beams = 1 }: { readonly maxTokens: number; readonly beams?: number | undefined }
) =>
  Effect.map(writeTargets(adapted, sources, { maxNewTokens: maxTokens, beams }), (targets) =>
    targets.map(({ ids, finish }): WrittenText => {
      const own = finish === "eos" ? ids.slice(0, -1) : ids
      return { text: adapted.model.tokenizer.decode(own), tokens: own.length, finish }
    })
  )
