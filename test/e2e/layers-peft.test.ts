/**
 * Adapters of a LayersModel in Hugging Face PEFT: convolutions, an embedding and a dense layer in torch under the same
 * names, the adapter's folder as it was saved, the same outputs.
 *
 * Where Python has no torch and peft the skip is announced (REQUIRE_PEFT=1 makes it a failure; PYTHON names the
 * interpreter).
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { type AdaptOptionsInput, adapt } from "../../src/layers-model/index.ts"
import { expectClose } from "../setup.ts"
import { moved, numbers, uniform } from "../src/layers-model/networks.ts"
import { repository, run, workspace } from "./fixtures.ts"

/** Five float32 layers in another order of sums; axes in another order are 0.1 and more. */
const OUTPUTS = 2e-5

const w = workspace()
const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import torch, peft, safetensors"], { cwd: w.directory })
  : { code: 127, stderr: `there is no ${python}` }
const hasPeft = imports.code === 0
if (!hasPeft) {
  const reason = imports.stderr.trimEnd().split("\n").at(-1)
  if (process.env["REQUIRE_PEFT"] === "1") throw new Error(`REQUIRE_PEFT=1, but ${python} has no PEFT: ${reason}`)
  console.warn(`no PEFT in ${python} (${reason}): LayersModels are not compared (REQUIRE_PEFT=1 makes that a failure)`)
}

const network = (): tf.LayersModel => {
  const { conv1d, conv2d, dense, embedding } = tf.layers
  const image = tf.input({ shape: [9, 9, 3] })
  const tokens = tf.input({ shape: [6], dtype: "int32" })
  const through = (x: tf.SymbolicTensor, layer: tf.layers.Layer) => layer.apply(x) as tf.SymbolicTensor
  const seen = [
    conv2d({ filters: 6, kernelSize: [3, 2], strides: 2, activation: "relu", name: "first" }),
    conv2d({ filters: 5, kernelSize: 3, useBias: false, name: "second" }),
    tf.layers.globalAveragePooling2d({})
  ].reduce(through, image)
  const read = [
    embedding({ inputDim: 11, outputDim: 7, name: "words" }),
    conv1d({ filters: 5, kernelSize: 2, activation: "tanh", name: "along" }),
    tf.layers.globalMaxPooling1d({})
  ].reduce(through, tokens)
  const joined = tf.layers.concatenate().apply([seen, read]) as tf.SymbolicTensor
  const model = tf.model({ inputs: [image, tokens], outputs: through(joined, dense({ units: 4, name: "logits" })) })
  const weights = model.getWeights().map(({ shape }, i) => uniform(shape, 40 + i))
  model.setWeights(weights)
  tf.dispose(weights)
  return model
}

/** The base's weights as torch has them: kernels [out, in, …]. */
const torchWeights = async (model: tf.LayersModel) => {
  const entries = model.layers.flatMap((layer) =>
    layer.getWeights().map(async (own, i) => {
      const [kernel, table] = [i === 0 && own.rank > 1, layer.getClassName() === "Embedding"]
      const window = Array.from({ length: own.rank - 2 }, (_, axis) => axis)
      const value = kernel && !table ? tf.transpose(own, [own.rank - 1, own.rank - 2, ...window]) : own
      const name = `${layer.name}.${i === 0 ? "weight" : "bias"}`
      return [name, { shape: value.shape, values: [...(await value.data())] }] as const
    })
  )
  return Object.fromEntries(await Promise.all(entries))
}

const dense = ["first", "second", "along", "logits"]
const cases: ReadonlyArray<readonly [name: string, options: AdaptOptionsInput]> = [
  ["lora", { rank: 2, targets: ["*"] }],
  ["ranks of their own", { rank: 3, targets: ["*"], overrides: [{ targets: ["words"], rank: 1, alpha: 5 }] }],
  ["pissa, rank-stabilized", { rank: 2, targets: dense, init: { kind: "pissa" }, scaling: "rank-stabilized" }],
  [
    "with a head and a module to save",
    { rank: 2, targets: ["first", "words"], head: ["logits"], modulesToSave: ["second"] }
  ],
  ["dora", { method: "dora", rank: 2, targets: dense }],
  ["adalora", { method: "adalora", rank: 2, targets: ["logits"] }],
  ["vera", { method: "vera", rank: 6, targets: ["logits"] }],
  ["loha", { method: "loha", rank: 2, targets: dense }]
]

test.skipIf(!hasPeft)(
  "PEFT computes what the adapted model computes",
  async () => {
    await tf.setBackend("cpu")
    const model = network()
    const image = uniform([3, 9, 9, 3], 1)
    const tokens = tf.tensor2d([0, 10, 3, 3, 7, 1, 2, 9, 8, 0, 5, 6, 4, 4, 4, 10, 1, 0], [3, 6], "int32")
    const expected: Array<ReadonlyArray<number>> = []
    const adapters: Array<string> = []
    for (const [i, [, options]] of cases.entries()) {
      const adapted = await adapt(model, options)
      moved(adapted)
      adapters.push(join(w.directory, `adapter-${i}`))
      await adapted.save(adapters.at(-1)!)
      expected.push(await numbers(adapted.predict([image, tokens])))
      await adapted.dispose()
    }
    const torchImage = tf.transpose(image, [0, 3, 1, 2])
    const input = {
      weights: await torchWeights(model),
      image: { shape: torchImage.shape, values: [...(await torchImage.data())] },
      tokens: await tokens.array(),
      adapters
    }
    const { stdout, stderr, code } = await run([python, join(repository, "test/e2e/layers_peft.py")], {
      cwd: w.directory,
      stdin: JSON.stringify(input)
    })
    if (code !== 0) throw new Error(stderr)
    const found = JSON.parse(stdout) as ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
    const base = await numbers(model.predict([image, tokens]) as tf.Tensor)
    expect(found.length).toBe(cases.length)
    for (const [i, outputs] of found.entries()) {
      expectClose(outputs.flat(), expected[i]!, OUTPUTS)
      expect(expected[i]).not.toEqual(base)
    }
  },
  120_000
)
