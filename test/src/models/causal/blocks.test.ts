/**
 * Weights that a source has in blocks: held as they are, the model computes what it computes with the same numbers in float32, and an
 * adapter over them learns the same, bit for bit on wasm; a table of tokens too.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../../adapters/index.ts"
import { linearCrossEntropy } from "../../../../src/kernels/index.ts"
import {
  type CausalModel,
  type CheckpointSource,
  describeCausal,
  folderSource,
  loadCausal,
  logitsOf,
  tablesOf
} from "../../../../src/models/causal/index.ts"
import { type PackedHostMatrix, type Packing, packMatrix } from "../../../../src/numbers/index.ts"
import { bytesOfWeights } from "../../../../src/plan/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { describeOn } from "../../../backends.ts"
import { dequantizedOnHost } from "../../tensors/dequantized-on-host.ts"
import { runScoped } from "../golden.ts"
import { folderOf, noTokenizer } from "./causal-golden.ts"

/** llama's tiny golden as a file of blocks: matrices are packed, and what is asked for in float32 is what the blocks say. */
const inBlocks = (source: CheckpointSource, packingOf: (name: string) => "q4" | "q8"): CheckpointSource => ({
  ...source,
  read: (names, visit, take) =>
    source.read(names, (name, data) => {
      const shape = source.tensors.get(name)!.shape
      if (shape.length !== 2) return visit(name, data)
      const packed = packMatrix(packingOf(name), data, shape as [number, number]) as PackedHostMatrix
      return take?.(name, () => packed) === true ? Effect.void : visit(name, dequantizedOnHost(packed))
    })
})

const isTable = (name: string) => /embed_tokens|lm_head/.test(name)
const mixed = (name: string) => (isTable(name) ? "q8" : "q4")

const openAs = (weights: "f32" | Packing, packingOf: (name: string) => "q4" | "q8" = mixed) =>
  Effect.gen(function* () {
    const source = inBlocks(yield* folderSource(folderOf("llama")), packingOf)
    return yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer, weights })
  })

const rows = {
  ...{ size: 2, length: 5, inputIds: Int32Array.of(3, 5, 7, 9, 2, 4, 1, 8, 6, 5), tokens: 10 },
  labels: Int32Array.of(5, 7, 9, 2, 4, 1, 8, 6, 5, 3),
  segments: new Int32Array(10),
  positions: Int32Array.of(0, 1, 2, 3, 4, 0, 1, 2, 3, 4)
}

/** Logits, the loss and the gradients of the factors of a LoRA whose B is not 0. */
const computed = (model: CausalModel) =>
  Effect.gen(function* () {
    const options = {
      rank: 2,
      alpha: 4,
      scaling: "standard",
      init: { kind: "kaiming" },
      targets: "all-linear"
    } as const
    const adapted = yield* inject<typeof options, CausalModel>(model, lora as never, options as never)
    const pairs = adapted.trainable.pairs.map(({ A, B, ...rest }) => ({
      ...rest,
      A,
      B: tf.fill(B.shape, 0.01) as typeof B
    }))
    const trainable = { ...adapted.trainable, pairs }
    const tensors = tf.tidy(() => {
      const { input, target } = model.toDevice(rows)
      const { value, gradients } = valueAndGradients(
        () => {
          const { hidden, weight, softcap } = adapted.forward(input, trainable)
          return linearCrossEntropy(hidden, weight, target, { softcap })
        },
        pairs.flatMap(({ A, B }) => [A, B])
      )
      const out = adapted.forward(input, trainable)
      return [logitsOf(out.hidden, out), value, ...gradients]
    })
    const values = yield* Effect.promise(() => Promise.all(tensors.map(async (x) => [...(await x.data())])))
    tf.dispose([...tensors, ...pairs.map(({ B }) => B)])
    return values
  })

describeOn("wasm", () => {
  test("q4: linear layers stay in four bits and tables in eight, and every number is that of float32", () =>
    runScoped(
      Effect.gen(function* () {
        const [whole, held] = [yield* openAs("f32"), yield* openAs("q4")]
        for (const [name, { packing }] of held.packed!) expect([name, packing]).toEqual([name, mixed(name)])
        expect([...held.packed!.keys()].filter(isTable).length).toBe(2)
        const [expected, actual] = [yield* computed(whole), yield* computed(held)]
        expect(expected.length).toBe(2 + 28)
        expect(actual).toEqual(expected)
      })
    ))

  test("the device holds as many bytes as the estimate of memory says", () =>
    runScoped(
      Effect.gen(function* () {
        for (const weights of ["f32", "q8", "q4"] as const) {
          const source = yield* folderSource(folderOf("llama"))
          const description = yield* describeCausal(source)
          const before = tf.memory().numBytes
          const { decoder, sites, parameters } = yield* loadCausal(source, description, {
            tokenizer: noTokenizer,
            weights
          })
          const frozen = parameters.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0)
          const tables = tablesOf(decoder).map(() => ({ out: decoder.vocabularySize, in: decoder.hiddenSize }))
          expect(bytesOfWeights(weights, sites, frozen, tables)).toBe(tf.memory().numBytes - before)
        }
      })
    ))

  test("q8 holds four bits as they are; f16 holds no blocks of linear layers, but those of tables", () =>
    runScoped(
      Effect.gen(function* () {
        const four = () => "q4" as const
        const packings = (model: CausalModel) => [...new Set([...model.packed!.values()].map(({ packing }) => packing))]
        expect(packings(yield* openAs("q8", four))).toEqual(["q4"])
        expect(packings(yield* openAs("q4", () => "q8")).sort()).toEqual(["q4", "q8"])
        expect(packings(yield* openAs("f16")).sort()).toEqual(["f16", "q8"])
        expect((yield* openAs("f32")).packed!.size).toBe(0)
      })
    ))
})

test("a source without blocks is rounded to them", () =>
  runScoped(
    Effect.gen(function* () {
      const source = yield* folderSource(folderOf("llama"))
      const model = yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer, weights: "q4" })
      const packings = [...model.packed!].map(([name, { packing }]) => [isTable(name), packing].join(" "))
      expect([...new Set(packings)].sort()).toEqual(["false q4", "true q8"])
    })
  ))
