/**
 * Every family against PyTorch and PEFT: hidden states, logits, loss, and the gradient of every adapter factor, with PEFT's adapter
 * applied through the `linear` argument and nothing else.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Result from "effect/Result"
import { contrast } from "../../../src/kinds/encoder/embedding/loss.ts"
import { describe } from "../../../src/models/describe.ts"
import { encode } from "../../../src/models/encoder.ts"
import { families } from "../../../src/models/families.ts"
import { meanPooling } from "../../../src/models/head.ts"
import { load } from "../../../src/models/load.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import {
  batchOf,
  crossEntropy,
  frozen,
  type GoldenPair,
  goldens,
  lora,
  readAdapter,
  readGolden,
  run,
  type Tensors
} from "./golden.ts"

const cases = [
  {
    name: "bert",
    family: "bert",
    layers: 2,
    pairs: 4,
    adapters: ["adapter", "adapter-rslora", "adapter-patterns", "adapter-head"]
  },
  { name: "distilbert", family: "distilbert", layers: 2, pairs: 4, adapters: ["adapter"] },
  { name: "roberta", family: "roberta", layers: 2, pairs: 4, adapters: ["adapter"] },
  { name: "minilm", family: "bert", layers: 2, pairs: 12, adapters: ["adapter"] },
  // blocks without windows and with windows shorter than the texts; the second has biases, other activations and a head on the mean
  { name: "modernbert", family: "modernbert", layers: 4, pairs: 16, adapters: ["adapter"] },
  { name: "modernbert-mean", family: "modernbert", layers: 2, pairs: 8, adapters: ["adapter"] }
] as const

const folderOf = (name: string) => join(goldens, "models", name)
const ioOf = (name: string, adapter: string) =>
  readGolden(`models/${name}/${adapter.replace("adapter", "adapter_io")}.safetensors`)

const encoderFor = async (name: string, family: keyof typeof families) => {
  const json = await Bun.file(join(folderOf(name), "config.json")).json()
  return Result.getOrThrow(families[family].open(json))
}

const open = async (name: string) => {
  const options =
    name === "minilm"
      ? ({ pooling: "mean", head: "new", labels: ["a", "b"] } as const)
      : ({ pooling: "pooler", head: "checkpoint" } as const)
  // the golden folders have no tokenizer: any one will do
  const description = await run(describe(folderOf(name), options))
  return run(load(description, { seed: 0, tokenizer: noTokenizer }))
}
const noTokenizer = { encode: () => ({ ids: [], typeIds: [] }), padId: 0, vocabularySize: 0 }

/** Entries of [batch, length, width] where there is a token. */
const atTokens = (values: ArrayLike<number>, mask: ArrayLike<number>, width: number) =>
  Array.from(values).filter((_, i) => mask[Math.floor(i / width)] === 1)

/** Mean pooling and L2 norm, as sentence-transformers does. */
const embeddings = (h: Tensor2D, io: Tensors) => {
  const pooled = meanPooling(h, batchOf(io))
  return tf.div(pooled, tf.norm(pooled, 2, 1, true)) as Tensor2D
}

/** Rows 0..2 anchors, 3..5 positives: cross-entropy of 20·cosine with in-batch negatives. */
const contrastive = (e: Tensor2D) => contrast(1 / 20)(e, { texts: 2, scores: tf.zeros([3]) })

describeOnBoth(() => {
  for (const { name, family, layers, pairs: adapted, adapters } of cases) {
    test(`${name}: hidden states`, async () => {
      const model = await open(name)
      const encoder = await encoderFor(name, family)
      const io = await readGolden(`models/${name}/io.safetensors`)
      const batch = batchOf(io)
      const mask = io.get("attention_mask")!.data
      const check = async (h: Tensor2D, layer: number) => {
        const expected = atTokens(io.get(`hidden_states.${layer}`)!.data, mask, model.hiddenSize)
        expectClose(atTokens(await h.data(), mask, model.hiddenSize), expected, tolerance.forward)
      }
      await check(encoder.embed(batch, model.weights), 0)
      const after: Array<Tensor2D> = []
      encode(encoder, batch, frozen(model.weights), model.weights, (block, ...inputs) => {
        after.push(block(...inputs))
        return after.at(-1)!
      })
      for (const [i, h] of after.entries()) await check(h, i + 1)
      expect(after.length).toBe(layers)
    })

    for (const adapter of ["none", ...adapters]) {
      test(`${name}: outputs and gradients with ${adapter}`, async () => {
        const model = await open(name)
        const encoder = await encoderFor(name, family)
        const inputs = await readGolden(`models/${name}/io.safetensors`)
        const io = adapter === "none" ? inputs : await ioOf(name, adapter)
        const { pairs, saved } =
          adapter === "none"
            ? { pairs: new Map<string, GoldenPair>(), saved: new Map() }
            : await readAdapter(`models/${name}/${adapter}`, model.prefix)
        expect(pairs.size).toBe(adapter === "none" ? 0 : adapted)
        expect(saved.size).toBe(adapter === "adapter-head" ? 2 : 0)
        const heads = new Map([...saved].map(([key, { data, shape }]) => [key, tf.tensor(data, shape)]))
        const weights = (key: string) => heads.get(key) ?? model.weights(key)
        const factors = [...pairs.values()].flatMap(({ A, B }) => [A, B])
        const trained = [...factors, ...heads.values()]
        const names = [
          ...[...pairs.keys()].flatMap((site) => ["A", "B"].map((factor) => `${site}.lora_${factor}.weight`)),
          ...heads.keys()
        ]
        const linear = lora(model.weights, pairs)
        const output = () =>
          name === "minilm"
            ? embeddings(encode(encoder, batchOf(inputs), linear, weights), inputs)
            : model.forward(batchOf(inputs), linear, weights)
        const labels = () => tf.tensor1d(Int32Array.from(inputs.get("labels")!.data), "int32") as Tensor1D
        const loss = () => (name === "minilm" ? contrastive(output()) : crossEntropy(output(), labels()))
        const expected = io.get(name === "minilm" ? "embeddings" : "logits")!.data
        expectClose(await output().data(), expected, tolerance.forward)
        expectClose(await loss().data(), io.get("loss")!.data, tolerance.forward)
        if (adapter === "none") return
        const gradients = tf.grads(() => loss())(trained)
        let checked = 0
        for (const [i, gradient] of gradients.entries()) {
          const inBackbone = !names[i]!.startsWith("classifier")
          const key = `grad.base_model.model.${inBackbone ? model.prefix : ""}${names[i]}`
          expectClose(await gradient.data(), io.get(key)!.data, tolerance.gradient)
          checked++
        }
        expect(checked).toBe([...io.keys()].filter((key) => key.startsWith("grad.")).length)
      })
    }
  }

  test("modernbert: the published spelling of its config is the same encoder", async () => {
    const opened = async (file: string) =>
      Result.getOrThrow(families.modernbert.open(await Bun.file(join(folderOf("modernbert"), file)).json()))
    const [now, before] = [await opened("config.json"), await opened("config_v4.json")]
    const facts = ({ tables, blocks, sites, parameters }: typeof now) => ({
      tables: tables.map(({ make }) => make()),
      blocks: blocks.map(({ window, rope }) => ({ window, rope })),
      sites,
      parameters
    })
    expect(facts(before)).toEqual(facts(now))
    // 4 tokens to either side and its own
    expect(facts(now).blocks.map(({ window }) => window)).toEqual([null, 5, 5, null])
  })

  test("a forward pass leaves nothing behind but its logits", async () => {
    const model = await open("bert")
    const batch = batchOf(await readGolden("models/bert/io.safetensors"))
    await expectNoLeak(() => model.forward(batch, frozen(model.weights), model.weights).dispose())
  })
})
