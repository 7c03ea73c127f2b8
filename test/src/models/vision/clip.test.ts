/** CLIP against transformers and PEFT: both towers, the zero-shot head, config files, prompts. */
import { expect, test } from "bun:test"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { sparseCrossEntropy } from "../../../../src/kernels/index.ts"
import { baseLinear } from "../../../../src/models/base-layer.ts"
import { unitRows } from "../../../../src/models/head.ts"
import type { Network, RunBlock } from "../../../../src/models/model.ts"
import { WeightlessFolders } from "../../../../src/models/source.ts"
import { clip } from "../../../../src/models/vision/clip.ts"
import { readClipText } from "../../../../src/models/vision/clip-config.ts"
import { encodeTexts, type TextBatch, textsToDevice, textTowerOf } from "../../../../src/models/vision/clip-text.ts"
import {
  describeZeroShot,
  loadZeroShot,
  projectedImages,
  type ZeroShotOptions,
  zeroShotLogits
} from "../../../../src/models/vision/zero-shot.ts"
import type { HostTensor } from "../../../../src/safetensors/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { recomputed } from "../../../../src/tensors/tape-nodes.ts"
import { type Linear, tensorsOf, type Weights } from "../../../../src/tensors/trainable.ts"
import { describeOn } from "../../../backends.ts"
import { expectClose, expectNoLeak, tolerance as onCpu } from "../../../setup.ts"
import { adaptedGolden, mergedLinear, valuesOf } from "../causal/causal-golden.ts"
import { failure, type GoldenPair, goldens, readAdapter, readGolden, run, runScoped, type Tensors } from "../golden.ts"
import { imagesOf } from "./image-golden.ts"

const folder = join(goldens, "models/clip")
const json = await Bun.file(join(folder, "config.json")).json()
const asked: { readonly labels: ReadonlyArray<string>; readonly templates: ReadonlyArray<string> } & {
  readonly targets: ReadonlyArray<number>
} = await Bun.file(join(goldens, "clip/zero_shot.json")).json()

const textTower = (change: object = {}) =>
  textTowerOf(Result.getOrThrow(readClipText({ ...json, text_config: { ...json.text_config, ...change } })))

const pixelsOf = (io: Tensors): Tensor4D => {
  const { size, pixels } = imagesOf(io)
  return tf.tensor4d(pixels, [size, 16, 16, 3])
}
const textsOf = ({ shape, data }: HostTensor, { config } = textTower()): TextBatch =>
  textsToDevice({ size: shape[0]!, length: shape[1]!, inputIds: Int32Array.from(data) }, config)

/** The base plus s·(xAᵀ)Bᵀ where there is a pair. */
const adapted = (model: Pick<Network, "weights">, pairs: ReadonlyMap<string, GoldenPair>): Linear => {
  const base = baseLinear(model)
  return (site, x) => {
    const pair = pairs.get(site.name)
    if (pair === undefined) return base(site, x)
    const low = tf.matMul(x, pair.A, false, true)
    return tf.add(base(site, x), tf.mul(tf.matMul(low, pair.B, false, true), pair.scale)) as Tensor2D
  }
}

/** Checks the gradient of every factor that the golden has one for. */
const expectGradients = async (
  loss: () => tf.Scalar,
  pairs: ReadonlyMap<string, GoldenPair>,
  golden: ReadonlyMap<string, HostTensor>,
  prefix: string,
  tolerance: number
) => {
  const expected = [...golden.keys()].filter((key) => key.startsWith(`${prefix}grad.`))
  const wanted = [...pairs].filter(([site]) => expected.some((key) => key.includes(site)))
  const gradients = tf.grads(() => loss())(wanted.flatMap(([, { A, B }]) => [A, B]))
  const names = wanted.flatMap(([site]) => ["A", "B"].map((factor) => `${site}.lora_${factor}.weight`))
  expect(names.length).toBe(expected.length)
  for (const [i, gradient] of gradients.entries()) {
    const own = golden.get(`${prefix}grad.base_model.model.${names[i]}`)!
    expectClose(await gradient.data(), own.data, tolerance)
  }
}

const open = async (towers: ZeroShotOptions["towers"]) => {
  const description = await run(describeZeroShot(folder, { ...asked, towers }))
  return { description, model: await run(loadZeroShot(description, { seed: 0 })) }
}
type Opened = Awaited<ReturnType<typeof open>>

/** Images and texts to be compared, and how near each is to each. */
const pairsOf = ({ description, model }: Opened) => {
  const tower = textTower()
  const forward = (
    { images, texts }: { readonly images: Tensor4D; readonly texts: TextBatch },
    linear: Linear,
    weights: Weights,
    runBlock?: RunBlock
  ) => {
    const embedded = projectedImages(description.zeroShot, images, linear, weights, runBlock)
    return zeroShotLogits(embedded, unitRows(encodeTexts(tower, texts, linear, weights, runBlock)), weights)
  }
  return { ...model, forward }
}

/** The mean of two cross-entropies: which text belongs to an image, which image to a text. */
const pairLoss = (logits: Tensor2D): tf.Scalar => {
  const own = tf.range(0, logits.shape[0], 1, "int32") as Tensor1D
  return tf.div(tf.add(sparseCrossEntropy(logits, own), sparseCrossEntropy(tf.transpose(logits), own)), 2) as tf.Scalar
}

/** The goldens' own bounds for GPUs, whose exponentials are good to fewer digits. */
const onGpu = { forward: 1e-4, gradient: 1e-3 }

const goldensOn = (backend: "wasm" | "webgpu") => {
  const tolerance = backend === "webgpu" ? onGpu : onCpu

  test("both towers: what they make of images and texts, how near these are, and the loss", async () => {
    const { model, description } = await open("both")
    const io = await readGolden("models/clip/io.safetensors")
    const linear = baseLinear(model)
    const images = projectedImages(description.zeroShot, pixelsOf(io), linear, model.weights)
    const texts = encodeTexts(textTower(), textsOf(io.get("input_ids")!), linear, model.weights)
    expectClose(await unitRows(images).data(), io.get("image_embeds")!.data, tolerance.forward)
    expectClose(await unitRows(texts).data(), io.get("text_embeds")!.data, tolerance.forward)
    const logits = zeroShotLogits(images, unitRows(texts), model.weights)
    expectClose(await logits.data(), io.get("logits_per_image")!.data, tolerance.forward)
    expectClose(await tf.transpose(logits).data(), io.get("logits_per_text")!.data, tolerance.forward)
    expectClose(await pairLoss(logits).data(), io.get("loss")!.data, tolerance.forward)
  })

  test("both towers with PEFT's adapter: loss, every gradient, blocks run again, and logits after merging", () =>
    runScoped(
      Effect.gen(function* () {
        const model = pairsOf(yield* Effect.promise(() => open("both")))
        const io = yield* Effect.promise(() => readGolden("models/clip/io.safetensors"))
        const golden = yield* Effect.promise(() => readGolden("models/clip/adapter_io.safetensors"))
        const input = { images: pixelsOf(io), texts: textsOf(io.get("input_ids")!) }
        const { adapted, names } = yield* adaptedGolden(model, "clip", "adapter")
        const { trainable } = adapted
        const logits = adapted.forward(input, trainable)
        expectClose(yield* valuesOf(logits), golden.get("logits_per_image")!.data, tolerance.forward)
        const gradientsWith = (runBlock?: typeof recomputed) =>
          valueAndGradients(() => pairLoss(adapted.forward(input, trainable, { runBlock })), tensorsOf(trainable))
        const { value, gradients } = gradientsWith()
        expectClose(yield* valuesOf(value), golden.get("loss")!.data, tolerance.forward)
        const again = gradientsWith(recomputed).gradients
        for (const [i, key] of names.entries()) {
          const own = yield* valuesOf(gradients[i]!)
          expectClose(own, golden.get(`grad.${key}`)!.data, tolerance.gradient)
          expect(yield* valuesOf(again[i]!)).toEqual(own)
        }
        expect([...golden.keys()].filter((key) => key.startsWith("grad.")).length).toBe(names.length)
        const merged = model.forward(input, mergedLinear(adapted), model.weights)
        expectClose(yield* valuesOf(merged), golden.get("logits_per_image_merged")!.data, tolerance.forward)
      })
    ))

  test("texts are read at the highest id where the config does not know what ends them", async () => {
    const { model } = await open("both")
    const golden = await readGolden("clip/zero_shot.safetensors")
    const tower = textTower({ eos_token_id: 2 })
    const batch = textsOf(golden.get("highest.input_ids")!, tower)
    const embeddings = unitRows(encodeTexts(tower, batch, baseLinear(model), model.weights))
    expectClose(await embeddings.data(), golden.get("highest.text_embeds")!.data, tolerance.forward)
  })

  for (const towers of ["vision", "both"] as const) {
    test(`the zero-shot head over ${towers === "both" ? "both towers" : "the tower of images"}`, async () => {
      const { model } = await open(towers)
      const golden = await readGolden("clip/zero_shot.safetensors")
      const images = pixelsOf(await readGolden("models/clip/io.safetensors"))
      const plain = model.forward(images, baseLinear(model), model.weights)
      expectClose(await plain.data(), golden.get("logits")!.data, tolerance.forward)
      const { pairs } = await readAdapter("models/clip/adapter", "")
      const linear = adapted(model, pairs)
      const targets = tf.tensor1d(Int32Array.from(asked.targets), "int32") as Tensor1D
      const logits = () => model.forward(images, linear, model.weights)
      expectClose(await logits().data(), golden.get(`${towers}.logits`)!.data, tolerance.forward)
      expectClose(
        await sparseCrossEntropy(logits(), targets).data(),
        golden.get(`${towers}.loss`)!.data,
        tolerance.forward
      )
      await expectGradients(
        () => sparseCrossEntropy(logits(), targets),
        pairs,
        golden,
        `${towers}.`,
        tolerance.gradient
      )
      await expectNoLeak(() => model.forward(images, linear, model.weights).dispose())
    })
  }
}

// tfjs's own cpu backend takes a second for what these take a tenth of
for (const backend of ["wasm", "webgpu"] as const) describeOn(backend, () => goldensOn(backend))

test("one template is what transformers computes itself, and nothing outlives the scope", async () => {
  await tf.setBackend("cpu")
  const golden = await readGolden("clip/zero_shot.safetensors")
  const io = await readGolden("models/clip/io.safetensors")
  await expectNoLeak(async () => {
    const logits = await runScoped(
      Effect.gen(function* () {
        const description = yield* describeZeroShot(folder, {
          labels: asked.labels,
          templates: asked.templates.slice(0, 1),
          towers: "vision"
        })
        const model = yield* loadZeroShot(description, { seed: 0 })
        return tf.tidy(() => model.forward(pixelsOf(io), baseLinear(model), model.weights).dataSync())
      })
    )
    expectClose(logits, golden.get("logits_one_template")!.data, onCpu.forward)
  })
})

interface ConfigCase {
  readonly file: object
  readonly read: {
    readonly text: Readonly<Record<string, unknown>>
    readonly vision: Readonly<Record<string, unknown>>
    readonly projection_dim: number
  }
}

test("config files that leave much out, and old ones that say things twice", async () => {
  const cases: ReadonlyArray<ConfigCase> = await Bun.file(join(goldens, "clip/configs.json")).json()
  expect(cases.length).toBe(5)
  for (const { file, read } of cases) {
    const text = Result.getOrThrow(readClipText(file))
    expect(text).toEqual({
      hiddenSize: read.text["hidden_size"],
      attentionHeads: read.text["num_attention_heads"],
      intermediateSize: read.text["intermediate_size"],
      normEpsilon: read.text["layer_norm_eps"],
      activation: "quick",
      layers: read.text["num_hidden_layers"],
      vocabularySize: read.text["vocab_size"],
      positions: read.text["max_position_embeddings"],
      endOfText: read.text["eos_token_id"] === 2 ? null : read.text["eos_token_id"],
      projection: read.projection_dim
    } as typeof text)
    const { vision } = read
    const side = (pixels: unknown) => ({ height: pixels, width: pixels })
    const images = Result.getOrThrow(clip.open(file))
    expect(images).toEqual({
      hiddenSize: vision["hidden_size"],
      attentionHeads: vision["num_attention_heads"],
      intermediateSize: vision["intermediate_size"],
      normEpsilon: vision["layer_norm_eps"],
      activation: "quick",
      layers: vision["num_hidden_layers"],
      image: side(vision["image_size"]),
      patch: side(vision["patch_size"]),
      labels: []
    } as typeof images)
  }
})

test("CLIP ViT-B/16 by its config.json alone: PEFT's layers, and as many numbers as transformers' model has", async () => {
  const place = join(goldens, "configs/clip-vit-base-patch16")
  const peft: { readonly parameters: number; readonly layers: object } = await Bun.file(join(place, "peft.json")).json()
  const described = (towers: ZeroShotOptions["towers"]) =>
    run(
      describeZeroShot(place, { labels: [], templates: ["{}"], towers }).pipe(
        Effect.provideService(WeightlessFolders, true)
      )
    )
  const { sites } = await described("vision")
  expect(Object.fromEntries(sites.map(({ name, out, in: inputs }) => [name, [out, inputs]]))).toEqual({
    ...peft.layers
  })
  const both = await described("both")
  const sizes = both.parameters.map(({ shape }) => shape.reduce((size, n) => size * n, 1))
  expect(sizes.reduce((sum, size) => sum + size)).toBe(peft.parameters)
  expect(both.sites.length).toBe(2 * sites.length)
})

/** The golden model's folder with other files in it. */
const changed = (files: Readonly<Record<string, object>>) => {
  const copy = mkdtempSync(join(tmpdir(), "clip-"))
  cpSync(folder, copy, { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(copy, name), JSON.stringify(content))
  return copy
}
const problemsOf = async (options: Partial<ZeroShotOptions>, files: Readonly<Record<string, object>> = {}) => {
  const copy = changed(files)
  const error = await failure(describeZeroShot(copy, { ...asked, towers: "vision", ...options }))
  rmSync(copy, { recursive: true })
  return error.problems
}

test("prompts that no image could be told by are refused", async () => {
  expect(await problemsOf({ labels: ["cat", " "], templates: ["{}"] })).toEqual([
    'the label " " in the template "{}" gives a prompt without words'
  ])
  expect(await problemsOf({ labels: ["Cat", "dog", "cat"] })).toEqual([
    'the labels "Cat" and "cat" give the same prompts (case is ignored, and a prompt has at most 12 tokens), so the model cannot distinguish them: rename one of them'
  ])
  const long = "a very very long label "
  expect((await problemsOf({ labels: [`${long}1`, `${long}2`] })).length).toBe(1)
})

test("prompts that lose their end are told", async () => {
  const { zeroShot } = await run(describeZeroShot(folder, { ...asked, towers: "vision" }))
  expect(zeroShot.prompts.map((ids) => ids.length)).toEqual([9, 10, 4, 10, 11, 5, 12, 12, 9])
  expect(zeroShot.notes).toEqual([
    '2 of 9 prompts have more than 12 tokens and are truncated, such as "a photo of a red circle."'
  ])
})

test("a folder of another family, a tokenizer of another model, and what is wrong with both towers at once", async () => {
  expect(await problemsOf({}, { "config.json": { ...json, model_type: "vit" } })).toEqual([
    'config.json: model_type "vit"; expected "clip", whose text tower computes the weights of labels'
  ])
  expect(
    await problemsOf({}, { "config.json": { ...json, text_config: { ...json.text_config, eos_token_id: 5 } } })
  ).toEqual([
    "tokenizer.json: ends texts with 90, config.json: text_config.eos_token_id is 5; one of them belongs to another model"
  ])
  const towers = {
    text_config: { ...json.text_config, hidden_size: 30 },
    vision_config: { ...json.vision_config, hidden_act: "swish" }
  }
  const problems = await problemsOf({}, { "config.json": { ...json, ...towers } })
  expect(problems.length).toBe(2)
  expect(problems.join()).toContain("text_config.hidden_size 30 is not a multiple of its 4 attention heads")
  expect(problems.join()).toContain("vision_config.hidden_act")
})
