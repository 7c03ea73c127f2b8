/** DoRA inside a model against PEFT: logits, loss, every gradient, and the logits of the merged weights. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { dora } from "../../adapters/index.ts"
import { describe } from "../../src/models/describe.ts"
import { load } from "../../src/models/load.ts"
import type { Model } from "../../src/models/model.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type Linear, type LinearSite, type Trainable, tensorsOf } from "../../src/tensors/trainable.ts"
import { describeOnBoth } from "../backends.ts"
import { expectClose, tolerance } from "../setup.ts"
import { batchOf, crossEntropy, frozen, goldens, readAdapter, readGolden, run } from "../src/models/golden.ts"

const noTokenizer = { encode: () => ({ ids: [], typeIds: [] }), padId: 0, vocabularySize: 0 }

const open = async (): Promise<Model> => {
  const options = { pooling: "pooler", head: "checkpoint" } as const
  const description = await run(describe(join(goldens, "models/bert"), options))
  return run(load(description, { seed: 0, tokenizer: noTokenizer }))
}

const baseOf = ({ weights }: Model, { name }: LinearSite) => ({
  W: weights(`${name}.weight`) as Tensor2D,
  bias: weights(`${name}.bias`) as Tensor1D
})

/** PEFT's adapter as parts of ours, by site. */
const readParts = async (model: Model): Promise<ReadonlyMap<string, Trainable>> => {
  const { pairs, magnitudes, saved } = await readAdapter("models/bert/adapter-dora", model.prefix)
  expect([pairs.size, magnitudes.size, saved.size]).toEqual([4, 4, 0])
  const sites = new Map(model.sites.map((site) => [site.name, site]))
  return new Map(
    [...pairs].map(([name, pair]) => [
      name,
      {
        pairs: [{ site: sites.get(name)!, ...pair }],
        dense: [{ name: `${name}.magnitude`, role: "body", value: magnitudes.get(name)! }]
      }
    ])
  )
}

describeOnBoth(() => {
  test("bert with DoRA on query and value", async () => {
    const model = await open()
    const parts = await readParts(model)
    const inputs = await readGolden("models/bert/io.safetensors")
    const io = await readGolden("models/bert/adapter_io-dora.safetensors")
    const base = frozen(model.weights)
    const adapted: Linear = (site, x) => {
      const part = parts.get(site.name)
      return part === undefined
        ? base(site, x)
        : dora.forward({ site, options: {} as never, part }, x, baseOf(model, site))
    }
    const logits = (linear: Linear) => model.forward(batchOf(inputs), linear, model.weights)
    const labels = tf.tensor1d(Int32Array.from(inputs.get("labels")!.data), "int32")
    expectClose(await logits(adapted).data(), io.get("logits")!.data, tolerance.forward)

    const merged: Linear = (site, x) => {
      const part = parts.get(site.name)
      if (part === undefined) return base(site, x)
      const { W, bias } = baseOf(model, site)
      return tf.add(tf.matMul(x, dora.merge({ site, options: {} as never, part }, { W, bias }), false, true), bias)
    }
    expectClose(await logits(merged).data(), io.get("logits_merged")!.data, tolerance.forward)

    const trained = [...parts.values()].flatMap(tensorsOf)
    const { value, gradients } = valueAndGradients(() => crossEntropy(logits(adapted), labels), trained)
    expectClose(await value.data(), io.get("loss")!.data, tolerance.forward)
    const names = [...parts.keys()].flatMap((site) =>
      ["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"].map((tensor) => `${site}.${tensor}`)
    )
    for (const [i, gradient] of gradients.entries()) {
      const expected = io.get(`grad.base_model.model.${model.prefix}${names[i]}`)!
      expectClose(await gradient.data(), expected.data, tolerance.gradient)
    }
    expect(gradients.length).toBe([...io.keys()].filter((key) => key.startsWith("grad.")).length)
  })
})
