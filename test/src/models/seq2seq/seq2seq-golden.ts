/** Golden encoder-decoders, their batches, and another config in a golden's place. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describeSeq2Seq, loadSeq2Seq } from "../../../../src/models/seq2seq/index.ts"
import type { Seq2SeqRows } from "../../../../src/tensors/rows.ts"
import { folderOf, noTokenizer } from "../causal/causal-golden.ts"
import type { Tensors } from "../golden.ts"

export const openGolden = (folder: string) =>
  Effect.flatMap(describeSeq2Seq(folder), (description) =>
    loadSeq2Seq(description, { seed: 0, tokenizer: noTokenizer })
  )

/** The golden's weights with a config of their own, for as long as the scope. */
export const withConfig = (name: string, config: object) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "seq2seq-"))
      await cp(join(folderOf(name), "model.safetensors"), join(folder, "model.safetensors"))
      await writeFile(join(folder, "config.json"), JSON.stringify(config))
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

/** The golden's batch. */
export const rowsOf = (io: Tensors): Seq2SeqRows => {
  const source = io.get("input_ids")!
  const target = io.get("labels")!
  const attentionMask = Float32Array.from(io.get("attention_mask")!.data)
  const labels = Int32Array.from(target.data)
  const counted = labels.filter((label) => label !== -100).length
  return {
    size: source.shape[0]!,
    sourceLength: source.shape[1]!,
    inputIds: Int32Array.from(source.data),
    attentionMask,
    targetLength: target.shape[1]!,
    decoderInputIds: Int32Array.from(io.get("decoder_input_ids")!.data),
    labels,
    tokens: attentionMask.reduce((sum, is) => sum + is, 0) + counted,
    counted
  }
}
