/**
 * A frozen prefix that is kept changes no bit: of every family, trained over epochs whose batches hold the same rows in other company and
 * padded otherwise, and evaluated in between.
 */

import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../adapters/index.ts"
import { mustBeDecided } from "../../../schemas/index.ts"
import { padBatch } from "../../../src/data/index.ts"
import { linearCrossEntropy, sparseCrossEntropy } from "../../../src/kernels/index.ts"
import { baseLinear } from "../../../src/models/base-layer.ts"
import type { CausalModel } from "../../../src/models/causal/index.ts"
import { describe } from "../../../src/models/describe.ts"
import { load } from "../../../src/models/load.ts"
import { type Model, type Network, type Rows, type RunBlock, runOnce } from "../../../src/models/model.ts"
import type { ImageModel, ImageRows } from "../../../src/models/vision/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { fromConfig } from "../../../src/optimizers/index.ts"
import { frozenBlocks } from "../../../src/plan/prefix.ts"
import { keepPrefix, type PrefixOptions } from "../../../src/run/kept-prefix.ts"
import type { CausalRows, Linear } from "../../../src/tensors/index.ts"
import { tensorsOf } from "../../../src/tensors/trainable.ts"
import { crossEntropy, type Loss, openSession, takeStep } from "../../../src/training/index.ts"
import { describeOnEngines } from "../../backends.ts"
import { hasNative } from "../../runtime/runtimes.ts"
import { folderOf, openGolden } from "../models/causal/causal-golden.ts"
import { runScoped } from "../models/golden.ts"
import { openImages } from "../models/vision/image-golden.ts"
import { adamw } from "../training/optimizers.ts"

const random = randomStream(7, "rows")
const below = (n: number) => Math.floor(random() * n)

/** Rows of 1 to 24 tokens: batches of them have whole tiles of every kernel, and edges. */
const texts = Array.from({ length: 8 }, (_, i) => ({
  ids: Array.from({ length: i === 0 ? 1 : 1 + below(24) }, () => 2 + below(50)),
  typeIds: [] as Array<number>,
  label: below(2)
})).map((text) => ({ ...text, typeIds: text.ids.map(() => 0) }))

/** Every row once, in batches of another cut and company each epoch. */
const epochs = [
  [
    [0, 1, 2, 3],
    [4, 5, 6, 7]
  ],
  [[7, 0], [0], [1, 6, 2, 5, 3, 4]]
]

const textBatch = (rows: ReadonlyArray<number>) =>
  padBatch(
    rows.map((row) => texts[row]!),
    { padId: 0, padMultiple: rows.length === 4 ? 16 : 1, maxLength: 24 }
  )

const causalBatch = (rows: ReadonlyArray<number>): CausalRows => {
  const { size, length, inputIds, attentionMask, tokens } = textBatch(rows)
  const segments = Int32Array.from(attentionMask, (is) => is - 1)
  const positions = Int32Array.from(segments, (segment, at) => (segment < 0 ? 0 : at % length))
  const labels = Int32Array.from(inputIds, (_, at) =>
    (at + 1) % length === 0 || segments[at + 1]! < 0 ? -100 : inputIds[at + 1]!
  )
  // a row of one token has nothing to learn, and a batch needs something
  if (labels.every((label) => label < 0)) labels[0] = 1
  return { size, length, inputIds, labels, segments, positions, tokens }
}

/** The sixth differs from the first in one bit, that of a sign. */
const images = texts.map(() => Float32Array.from({ length: 16 * 16 * 3 }, () => 2 * random() - 1))
images[5] = images[0]!.with(100, -images[0]![100]!)

const imageBatch = (rows: ReadonlyArray<number>): ImageRows => ({
  size: rows.length,
  tokens: rows.length,
  pixels: Float32Array.from(rows.flatMap((row) => [...images[row]!])),
  labels: Int32Array.from(rows, (row) => texts[row]!.label)
})

/** The linear layers of some blocks. */
const sitesIn = ({ sites, stack }: Pick<Network, "sites" | "stack">, blocks: ReadonlyArray<number>) =>
  sites.flatMap(({ name }) => (blocks.some((block) => stack!.blocks[block]!.includes(`${name}.weight`)) ? [name] : []))

/** Losses, evaluations and trained numbers of a run over the epochs with the adapter in the last block alone. */
const trained = <M extends Network>(
  model: M,
  loss: Loss<M>,
  batchOf: (rows: ReadonlyArray<number>) => Rows,
  recompute: "none" | "blocks" = "none"
) =>
  Effect.gen(function* () {
    const network: Network = model
    const ofNetwork = loss as Loss<Network>
    const options = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" }, dropout: 0.1 } as const
    const adapted = yield* inject(network, lora, {
      ...options,
      targets: sitesIn(model, [model.stack!.blocks.length - 1])
    })
    const session = yield* openSession(adapted, {
      optimizer: yield* fromConfig(mustBeDecided(adamw), 100),
      loss: ofNetwork,
      recompute
    })
    const seen: Array<unknown> = []
    for (const rows of epochs.flat()) {
      const evaluated = tf.tidy(() => {
        const { input, target } = network.toDevice(batchOf([...rows].reverse()))
        return ofNetwork(adapted.forward(input, adapted.trainable), target)
      })
      seen.push(yield* Effect.promise(() => evaluated.data()))
      evaluated.dispose()
      seen.push((yield* takeStep(session, [batchOf(rows)])).loss)
    }
    const values = yield* Effect.promise(() => Promise.all(tensorsOf(adapted.trainable).map((tensor) => tensor.data())))
    return [...seen, ...values.map((value) => value.slice())]
  })

const heads = [
  { pooling: "mean", head: "new", labels: ["a", "b"] },
  { pooling: "pooler", head: "new", labels: ["a", "b"] }
] as const
const noTokenizer = { encode: () => ({ ids: [], typeIds: [] }), padId: 0, vocabularySize: 0 }

const openEncoder = (name: string, head: (typeof heads)[number], weights: "f32" | "f16" | "int8" = "f32") =>
  Effect.flatMap(describe(folderOf(name), head), (description) =>
    load(description, { seed: 0, tokenizer: noTokenizer, weights })
  )

const prefixOf = <M extends Network>(model: M, options: Partial<PrefixOptions> = {}) =>
  keepPrefix(model, {
    blocks: model.stack!.blocks.length - 1,
    bytes: 2 ** 18,
    comesAgain: () => true,
    ...options
  })

const linearLoss: Loss<CausalModel> = ({ hidden, weight, softcap }, labels) =>
  linearCrossEntropy(hidden, weight, labels, { softcap })

const imageLoss: Loss<ImageModel> = (logits, labels) => sparseCrossEntropy(logits, labels)

const encoders = [
  ["bert", heads[0], "f32"],
  ["bert", heads[1], "int8"],
  ["distilbert", heads[1], "f32"],
  ["roberta", heads[1], "f16"],
  ["minilm", heads[0], "f32"],
  ["modernbert", heads[1], "f32"]
] as const
const decoders = ["llama", "mistral", "qwen3", "gemma2", "gemma3", "gpt2"] as const

describeOnEngines(hasNative, () => {
  for (const [name, head, weights] of encoders) {
    test(`${name}, ${head.pooling}, ${weights}: a run has the same bits`, () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openEncoder(name, head, weights)
          const plain = yield* trained<Model>(model, crossEntropy, textBatch)
          expect(yield* trained<Model>(yield* prefixOf(model), crossEntropy, textBatch)).toEqual(plain)
        })
      ))
  }

  for (const name of decoders) {
    test(`${name}: a run has the same bits`, () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(name)
          const plain = yield* trained(model, linearLoss, causalBatch)
          expect(yield* trained(yield* prefixOf(model), linearLoss, causalBatch)).toEqual(plain)
        })
      ))
  }

  test("vit: a run has the same bits", () =>
    runScoped(
      Effect.gen(function* () {
        const model: ImageModel = yield* openImages("vit", { head: "new", labels: ["a", "b"] })
        const plain = yield* trained(model, imageLoss, imageBatch)
        expect(yield* trained(yield* prefixOf(model), imageLoss, imageBatch)).toEqual(plain)
      })
    ))

  /** The model, with every block that is run counted. */
  const counted = (model: Model) => {
    const count = { blocks: 0 }
    const forward: Model["forward"] = (input, linear, weights, runBlock = runOnce) => {
      const counting: RunBlock = (block, ...inputs) =>
        runBlock(
          (...again) => {
            count.blocks++
            return block(...again)
          },
          ...inputs
        )
      return model.forward(input, linear, weights, counting)
    }
    return { count, model: { ...model, forward } }
  }

  const logits = (model: Model, rows: ReadonlyArray<number>) => {
    const output = tf.tidy(() => {
      const { input } = model.toDevice(textBatch(rows))
      return model.forward(input, baseLinear(model), model.weights)
    })
    return Effect.map(
      Effect.promise(() => output.data()),
      (values) => {
        output.dispose()
        return values.slice()
      }
    )
  }

  test("a frozen block runs once for the rows of a batch, whatever batches they come in later", () =>
    runScoped(
      Effect.gen(function* () {
        const { count, model } = counted(yield* openEncoder("bert", heads[0]))
        const [blocks, kept] = [1, yield* prefixOf(model)]
        const runs: Array<number> = []
        for (const rows of [[0, 1, 2], [2, 1], [3, 0], [3], [0, 1, 2, 3]]) {
          const plain = yield* logits(model, rows)
          count.blocks = 0
          expect(yield* logits(kept, rows)).toEqual(plain)
          runs.push(count.blocks)
        }
        // the skipped calls are counted by no one: a block that is not frozen runs each time
        expect(runs).toEqual([1 + blocks, 1, 1 + blocks, 1, 1])
      })
    ))

  test("under a head that is trained alone every block is frozen", () =>
    runScoped(
      Effect.gen(function* () {
        const { count, model } = counted(yield* openEncoder("bert", heads[1]))
        const kept = yield* prefixOf(model, { blocks: 2 })
        const plain = yield* logits(model, [4, 5, 6])
        expect(yield* logits(kept, [4, 5, 6])).toEqual(plain)
        count.blocks = 0
        expect(yield* logits(kept, [4, 5, 6])).toEqual(plain)
        expect(count.blocks).toBe(0)
      })
    ))

  test("rows beyond the room, and rows that do not come again, are computed each time, with the same bits", () =>
    runScoped(
      Effect.gen(function* () {
        const { count, model } = counted(yield* openEncoder("bert", heads[0]))
        const bytes = 4 * 32 * (texts[1]!.ids.length + texts[2]!.ids.length)
        const again = function* (options: Partial<PrefixOptions>, rows: ReadonlyArray<number>) {
          const kept = yield* prefixOf(model, options)
          const before = tf.memory()
          const first = yield* logits(kept, rows)
          const { numTensors, numBytes } = tf.memory()
          expect([numTensors, numBytes]).toEqual([before.numTensors, before.numBytes])
          const again: Array<number> = []
          for (const row of rows) {
            count.blocks = 0
            yield* logits(kept, [row])
            again.push(count.blocks - 1)
          }
          expect(yield* logits(kept, rows)).toEqual(first)
          return again
        }
        expect(yield* again({ bytes }, [1, 2, 0])).toEqual([0, 0, 1])
        expect(yield* again({ bytes: bytes - 1 }, [1, 2])).toEqual([0, 1])
        expect(yield* again({ comesAgain: () => false }, [1, 2])).toEqual([1, 1])
      })
    ))

  test("with recomputation too, and nothing is left when the scope ends", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openEncoder("bert", heads[0])
        const plain = yield* trained<Model>(model, crossEntropy, textBatch, "blocks")
        const before = tf.memory().numTensors
        const own = Effect.flatMap(prefixOf(model), (kept) => trained<Model>(kept, crossEntropy, textBatch, "blocks"))
        expect(yield* Effect.scoped(own)).toEqual(plain)
        expect(tf.memory().numTensors).toBe(before)
      })
    ))

  test("frozen are the blocks under the lowest that reads a trained parameter", () =>
    runScoped(
      Effect.gen(function* () {
        const encoder = yield* describe(folderOf("minilm"), heads[1])
        const weights = (...blocks: ReadonlyArray<number>) => sitesIn(encoder, blocks).map((name) => `${name}.weight`)
        const frozen = (trained: ReadonlyArray<string>) => frozenBlocks(encoder, trained)
        const last = encoder.layers - 1
        expect(frozen([])).toBe(encoder.layers)
        expect(frozen(weights(last))).toBe(last)
        expect(frozen(weights(last, 1))).toBe(1)
        expect(frozen(weights(0))).toBe(0)
        expect(frozen([`encoder.layer.${last}.output.LayerNorm.bias`])).toBe(last)
        expect(frozen(encoder.head.parameters.map(({ name }) => name))).toBe(encoder.layers)
        for (const outside of ["embeddings.LayerNorm.weight", "embeddings.word_embeddings.weight"])
          expect(frozen([...weights(last), outside])).toBe(0)
      })
    ))

  test("what a block reads is what its stack says", () =>
    runScoped(
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [Network, Rows]> = [
          [yield* openEncoder("roberta", heads[1]), textBatch([1, 2])],
          [yield* openImages("vit"), imageBatch([1, 2])],
          [yield* openImages("clip", { head: "zeros", labels: ["a", "b"] }), imageBatch([1, 2])],
          ...(yield* Effect.forEach(decoders, (name) => openGolden(name))).map(
            (model) => [model, causalBatch([1, 2])] as const
          )
        ]
        for (const [model, rows] of cases) {
          const read: Array<Set<string>> = []
          let current = new Set<string>()
          const weights = (name: string) => {
            current.add(name)
            return model.weights(name)
          }
          // mapped weights are read, too, where native has them
          const linear: Linear = (site, x) => baseLinear({ ...model, packed: undefined, weights })(site, x)
          const runBlock: RunBlock = (block, ...inputs) => {
            const outside = current
            current = new Set()
            const after = block(...inputs)
            read.push(current)
            current = outside
            return after
          }
          tf.tidy(() => void model.forward(model.toDevice(rows).input, linear, weights, runBlock))
          expect(read).toEqual(model.stack!.blocks.map((names) => new Set(names)))
        }
      })
    ))
})
