/**
 * The embedded model (float16, trimmed vocabulary) against embeddings of the published float32 one, for those golden texts whose
 * word pieces the trimmed vocabulary still has.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { bert } from "../../../src/models/bert.ts"
import { encode } from "../../../src/models/encoder.ts"
import { meanPooling } from "../../../src/models/head.ts"
import { load, loadTokenizer } from "../../../src/models/index.ts"
import { describeOn } from "../../backends.ts"
import texts from "../../golden/real/minilm/texts.json" with { type: "json" }
import { expectNoLeak } from "../../setup.ts"
import { frozen, goldens, readGolden, run, runScoped } from "./golden.ts"

const folder = join(import.meta.dir, "../../../examples/models/minilm")
const source = { source: folder, task: "classification", labels: ["negative", "positive"] } as const

/** Cosine. Rounding to float16 leaves 0.9999994 at least over 512 sentences (the model's README). */
const LEAST_COSINE = 0.9999

/** [CLS], [SEP] and the unknown token have other ids in the trimmed vocabulary; everything else is compared as text. */
const piecesOf = async (path: string, text: string) => {
  const json = await Bun.file(join(path, "tokenizer.json")).json()
  const names = new Map(Object.entries(json.model.vocab as Record<string, number>).map(([name, id]) => [id, name]))
  return (await run(loadTokenizer(path))).encode(text, texts.max_length).ids.map((id) => names.get(id)!)
}

describeOn("wasm", () => {
  test("loads from float16 and embeds as the original does", async () => {
    const model = await run(load(source))
    expect({
      layers: model.layers,
      hidden: model.hiddenSize,
      sites: model.sites.length,
      maxLength: model.maxLength
    }).toEqual({
      layers: 6,
      hidden: 384,
      sites: 36,
      maxLength: 256
    })
    const config = await Bun.file(join(folder, "config.json")).json()
    const encoder = Result.getOrThrow(bert.open(config))
    const expected = (await readGolden("real/minilm/io.safetensors")).get("embeddings")!.data
    let compared = 0
    for (const [i, text] of texts.texts.entries()) {
      const original = await piecesOf(join(goldens, "tokenizers/minilm"), text)
      if ((await piecesOf(folder, text)).join(" ") !== original.join(" ")) continue
      const { ids, typeIds } = model.tokenizer.encode(text, texts.max_length)
      const shape: [number, number] = [1, ids.length]
      const batch = {
        inputIds: tf.tensor2d([...ids], shape, "int32"),
        tokenTypeIds: tf.tensor2d([...typeIds], shape, "int32"),
        attentionMask: tf.ones(shape) as Tensor2D
      }
      const own: ReadonlyArray<number> = Array.from(
        await meanPooling(encode(encoder, batch, frozen(model.weights), model.weights), batch).data()
      )
      const norm = Math.hypot(...own)
      const cosine = own.reduce((sum, v, j) => sum + (v / norm) * expected[i * 384 + j]!, 0)
      expect(cosine).toBeGreaterThan(LEAST_COSINE)
      compared++
    }
    expect(compared).toBe(3)
  })

  test("gives logits for its classes, and takes its weights with it", async () => {
    await expectNoLeak(() =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* load(source)
          const ids = tf.tensor2d([[2, 100, 3]], [1, 3], "int32")
          const batch = { inputIds: ids, tokenTypeIds: tf.zerosLike(ids), attentionMask: tf.ones([1, 3]) as Tensor2D }
          const logits = model.forward(batch, frozen(model.weights), model.weights)
          expect(logits.shape).toEqual([1, 2])
          tf.dispose([logits, ...Object.values(batch)])
        })
      )
    )
  })
})
