/** Heads over tokens of every family of encoders, as transformers' token classification classes have them: logits, loss and gradients. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import type { Scalar, Tensor1D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { describe } from "../../../../../src/models/describe.ts"
import { families } from "../../../../../src/models/families.ts"
import { load } from "../../../../../src/models/load.ts"
import { crossEntropy } from "../../../../../src/training/index.ts"
import { describeOnBoth } from "../../../../backends.ts"
import { expectClose, tolerance } from "../../../../setup.ts"
import { batchOf, frozen, goldens, readGolden, run } from "../../../models/golden.ts"

const noTokenizer = { encode: () => ({ ids: [], typeIds: [] }), padId: 0, vocabularySize: 0 }
const labels = ["O", "B-a", "I-a", "B-b", "I-b"]

describeOnBoth(() => {
  test.each(Object.keys(families))("%s", async (family) => {
    const io = await readGolden(`training/token-heads/${family}.safetensors`)
    const description = await run(describe(join(goldens, "models", family), { pooling: "tokens", head: "new", labels }))
    const model = await run(load(description, { seed: 0, tokenizer: noTokenizer }))
    const own = (name: string) => tf.tensor(io.get(name)!.data, [...io.get(name)!.shape])
    const names = [...io.keys()].filter((name) => name.startsWith("grad.")).map((name) => name.slice(5))
    expect(description.head.parameters.every(({ name }) => io.has(`head.${name}`))).toBe(true)
    const heads = new Map(description.head.parameters.map(({ name }) => [name, own(`head.${name}`)]))
    const trained = names.map((name) => heads.get(name) ?? tf.clone(model.weights(name)))
    const weights = (name: string) => trained[names.indexOf(name)] ?? heads.get(name) ?? model.weights(name)
    const z = () => model.forward(batchOf(io), frozen(weights), weights)
    const y = tf.tensor1d(Int32Array.from(io.get("labels")!.data), "int32") as Tensor1D
    const mask = io.get("attention_mask")!.data
    // what padding holds is nobody's
    const ofTokens = (values: ArrayLike<number>) =>
      Float32Array.from(values).filter((_, i) => mask[Math.floor(i / labels.length)] === 1)
    expectClose(ofTokens(await z().data()), ofTokens(io.get("logits")!.data), tolerance.forward)
    const { value, grads } = tf.valueAndGrads(() => crossEntropy(z(), y) as Scalar)(trained)
    expectClose(await value.data(), io.get("loss")!.data, tolerance.forward)
    for (const [i, name] of names.entries())
      expectClose(await grads[i]!.data(), io.get(`grad.${name}`)!.data, tolerance.gradient)
  })
})

test("the names are those of transformers' classes", async () => {
  const described = await run(describe(join(goldens, "models/bert"), { pooling: "tokens", head: "new", labels }))
  const { task, modulesToSave, ownHead, nameOf } = described.exported
  expect({ task, modulesToSave, ownHead }).toEqual({ task: "TOKEN_CLS", modulesToSave: ["classifier"], ownHead: false })
  expect(["classifier.weight", "encoder.layer.0.output.dense"].map(nameOf)).toEqual([
    "classifier.weight",
    "bert.encoder.layer.0.output.dense"
  ])
  expect(described.unusedTensors.some((name) => name.includes("pooler"))).toBe(true)
})
