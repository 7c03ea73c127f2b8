/** What a model writes for texts that it reads, a batch at a time. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import { padSeq2Seq, type Seq2SeqEncoding } from "../../data/seq2seq/index.ts"
import { logitsOf } from "../../models/causal/index.ts"
import { baseLinear } from "../../models/index.ts"
import type { Seq2SeqModel } from "../../models/seq2seq/index.ts"
import { type DeviceReadError, readTensor } from "../../tensors/index.ts"
import type { WriteOptions, WrittenText } from "../kind.ts"

export const writtenFor = (
  adapted: Adapted<Seq2SeqModel>,
  sources: ReadonlyArray<ReadonlyArray<number>>,
  encoding: Seq2SeqEncoding,
  { maxTokens = encoding.maxTargetLength, base = false }: WriteOptions & { readonly padMultiple: number }
): Effect.Effect<ReadonlyArray<WrittenText>, DeviceReadError> =>
  Effect.gen(function* () {
    const { model } = adapted
    const { tokenizer, eosId } = model
    const written = sources.map((): Array<number> => [])
    const ended = sources.map(() => false)
    for (let t = 0; t < maxTokens && ended.includes(false); t++) {
      const examples = sources.map((source, i) => ({ source, target: [...written[i]!, eosId] }))
      const batch = padSeq2Seq(examples, { ...encoding, padMultiple: 1 })
      const best = yield* Effect.acquireUseRelease(
        Effect.sync(() =>
          tf.tidy(() => {
            const { input } = model.toDevice(batch)
            const output = base
              ? model.forward(input, baseLinear(model), model.weights)
              : adapted.forward(input, adapted.trainable)
            const last = Int32Array.from(sources, (_, i) => i * batch.targetLength + t)
            return tf.argMax(logitsOf(tf.gather(output.hidden, tf.tensor1d(last, "int32")), output), 1)
          })
        ),
        (ids) => readTensor(ids, "tokens that were written"),
        (ids) => Effect.sync(() => ids.dispose())
      )
      for (const [i, own] of written.entries()) {
        if (best[i] === eosId) ended[i] = true
        own.push(ended[i] ? eosId : best[i]!)
      }
    }
    return written.map((ids, i) => {
      const end = ids.indexOf(eosId)
      const own = end < 0 ? ids : ids.slice(0, end)
      return {
        text: tokenizer.decode(own),
        tokens: own.length,
        finish: ended[i] ? ("eos" as const) : ("length" as const)
      }
    })
  })
