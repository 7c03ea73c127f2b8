/** What a model writes for texts that it reads, all together. */
import * as Effect from "effect/Effect"
import { type Adapted, unadapted } from "../../../../adapters/index.ts"
import { writeTargets } from "../../../generation/index.ts"
import { placeOf, readJson } from "../../../models/index.ts"
import { openSeq2SeqModel, type Seq2SeqModel, seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import type { WriteOptions, WrittenText } from "../../contract/index.ts"

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

// reading the weights once serves all of them
const BATCH_SIZE = 8

/** The model in a Hugging Face folder as it is, to write with; undefined: it is of none of these families. It lives as long as the scope. */
export const openWriter = (source: string) =>
  Effect.gen(function* () {
    if (/\.gguf(@[^/]*)?$/i.test(source)) return undefined
    const config = yield* Effect.flatMap(placeOf(source), (folder) => readJson(folder, "config.json")).pipe(
      Effect.orElseSucceed(() => null)
    )
    const type = (config as { readonly model_type?: unknown } | null)?.model_type
    if (typeof type !== "string" || !Object.hasOwn(seq2seqFamilies, type)) return undefined
    const adapted = yield* unadapted(yield* openSeq2SeqModel(source, { seed: 0 }))
    const { encode } = adapted.model.tokenizer
    return {
      batchSize: BATCH_SIZE,
      write: (texts: ReadonlyArray<string>, { maxTokens = 128, beams }: WriteOptions) =>
        writtenFor(
          adapted,
          texts.map((text) => encode(text, { special: true })),
          { maxTokens, beams }
        )
    }
  })
