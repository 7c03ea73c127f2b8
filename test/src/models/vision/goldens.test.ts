/**
 * Models of images against transformers and PEFT: hidden states, logits and loss; with an adapter also every gradient, and the logits after
 * merging.
 */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { sparseCrossEntropy } from "../../../../src/kernels/index.ts"
import { unitRows } from "../../../../src/models/head.ts"
import { runOnce } from "../../../../src/models/model.ts"
import { embedImages, encodeImages, pooledImages } from "../../../../src/models/vision/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { recomputed } from "../../../../src/tensors/tape-nodes.ts"
import { tensorsOf } from "../../../../src/tensors/trainable.ts"
import { describeOnEach } from "../../../backends.ts"
import { expectClose, expectNoLeak, tolerance as onCpu } from "../../../setup.ts"
import { adaptedGolden, frozen, mergedLinear, valuesOf } from "../causal/causal-golden.ts"
import { readGolden, runScoped } from "../golden.ts"
import { imagesOf, openImages } from "./image-golden.ts"

/** The goldens' own bounds for GPUs, whose exponentials are good to fewer digits. */
const onGpu = { forward: 1e-4, gradient: 1e-3 }

const golden = (path: string) => Effect.promise(() => readGolden(`models/${path}.safetensors`))

describeOnEach((backend) => {
  const tolerance = backend === "webgpu" ? onGpu : onCpu

  test("ViT: hidden states, logits and loss", () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* golden("vit/io")
        const model = yield* openImages("vit")
        const { input, target } = model.toDevice(imagesOf(io))
        const hidden: Array<Tensor2D> = [embedImages(model.tower, input, model.weights)]
        encodeImages(model.tower, input, frozen(model), model.weights, (block, ...inputs) => {
          const after = runOnce(block, ...inputs)
          hidden.push(after)
          return after
        })
        expect(hidden.length).toBe(model.layers + 1)
        for (const [layer, own] of hidden.entries())
          expectClose(yield* valuesOf(own), io.get(`hidden_states.${layer}`)!.data, tolerance.forward)
        const logits = model.forward(input, frozen(model), model.weights)
        expectClose(yield* valuesOf(logits), io.get("logits")!.data, tolerance.forward)
        expectClose(yield* valuesOf(sparseCrossEntropy(logits, target)), io.get("loss")!.data, tolerance.forward)
      })
    ))

  // with the number of tensors that each adapter trains
  for (const [name, trained] of [
    ["vit", 8],
    ["vision/clip-classifier", 26]
  ] as const) {
    test(`${name} with PEFT's adapter: logits, loss, every gradient, and logits after merging`, () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openImages(name)
          const { input, target } = model.toDevice(imagesOf(yield* golden(`${name}/io`)))
          const expected = yield* golden(`${name}/adapter_io`)
          const { adapted, names } = yield* adaptedGolden(model, name, "adapter")
          expect(names.length).toBe(trained)
          const { trainable } = adapted
          const logits = adapted.forward(input, trainable)
          expectClose(yield* valuesOf(logits), expected.get("logits")!.data, tolerance.forward)
          const { value, gradients } = valueAndGradients(
            () => sparseCrossEntropy(adapted.forward(input, trainable), target),
            tensorsOf(trainable)
          )
          expectClose(yield* valuesOf(value), expected.get("loss")!.data, tolerance.forward)
          for (const [i, key] of names.entries())
            expectClose(yield* valuesOf(gradients[i]!), expected.get(`grad.${key}`)!.data, tolerance.gradient)
          expect([...expected.keys()].filter((key) => key.startsWith("grad.")).length).toBe(trained)
          const trainedNow = new Map(trainable.dense.map((parameter) => [parameter.name, parameter.value]))
          const weights = (own: string) => trainedNow.get(own) ?? model.weights(own)
          const merged = model.forward(input, mergedLinear(adapted), weights)
          expectClose(yield* valuesOf(merged), expected.get("logits_merged")!.data, tolerance.forward)
        })
      ))
  }

  for (const name of ["vit-odd", "clip-classifier"]) {
    test(`${name}: logits and loss`, () =>
      runScoped(
        Effect.gen(function* () {
          const io = yield* golden(`vision/${name}/io`)
          const model = yield* openImages(`vision/${name}`)
          expect(model.labels).toEqual(["bee", "ant", "wasp"])
          const { input, target } = model.toDevice(imagesOf(io))
          const logits = model.forward(input, frozen(model), model.weights)
          expectClose(yield* valuesOf(logits), io.get("logits")!.data, tolerance.forward)
          expectClose(yield* valuesOf(sparseCrossEntropy(logits, target)), io.get("loss")!.data, tolerance.forward)
        })
      ))
  }

  test("a ViTModel's file: what a classifier of its own sees", () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* golden("vision/vit-backbone/io")
        const model = yield* openImages("vision/vit-backbone", { head: "zeros", labels: ["a", "b"] })
        expect(model.unusedTensors).toEqual(["pooler.dense.bias", "pooler.dense.weight"])
        const { input } = model.toDevice(imagesOf(io))
        const hidden = encodeImages(model.tower, input, frozen(model), model.weights)
        const pooled = pooledImages(model.tower, model.imageFamily.pooling, hidden, model.weights)
        expectClose(yield* valuesOf(pooled), io.get("class_token")!.data, tolerance.forward)
      })
    ))

  test("CLIP's tower: what is compared with texts", () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* golden("clip/io")
        const model = yield* openImages("clip", { head: "new", labels: ["a", "b"] })
        const { input } = model.toDevice(imagesOf(io))
        const others = yield* golden("clip/model")
        const tensor = (name: string) => {
          const { data, shape } = others.get(name)!
          return tf.tensor(data, [...shape])
        }
        const hidden = encodeImages(model.tower, input, frozen(model), model.weights)
        const pooled = pooledImages(model.tower, { of: "class", norm: "vision_model.post_layernorm" }, hidden, tensor)
        const projected = tf.matMul(pooled, tensor("visual_projection.weight") as Tensor2D, false, true)
        expectClose(yield* valuesOf(unitRows(projected as Tensor2D)), io.get("image_embeds")!.data, tolerance.forward)
      })
    ))

  test("blocks that are run again in the backward pass give the same gradients, bit for bit", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openImages("vit")
        const { input, target } = model.toDevice(imagesOf(yield* golden("vit/io")))
        const { adapted } = yield* adaptedGolden(model, "vit", "adapter")
        const bits = (runBlock?: typeof recomputed) => {
          const { gradients } = valueAndGradients(
            () => sparseCrossEntropy(adapted.forward(input, adapted.trainable, { runBlock }), target),
            tensorsOf(adapted.trainable)
          )
          return Effect.forEach(gradients, valuesOf)
        }
        expect(yield* bits(recomputed)).toEqual(yield* bits())
      })
    ))

  test("a forward pass leaves nothing behind but its logits", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openImages("vit")
        const { input } = model.toDevice(imagesOf(yield* golden("vit/io")))
        yield* Effect.promise(() => expectNoLeak(() => model.forward(input, frozen(model), model.weights).dispose()))
      })
    ))
})
