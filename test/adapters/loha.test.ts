/**
 * LoHa against PEFT's on a tiny BERT (test/golden/make/loha.py): its folders in and out, logits, loss, every gradient, merged weights, and
 * how a site starts. Laws of every method: test/laws/adapter.laws.test.ts; ten steps of AdamW: test/e2e/foreign-adapter.processes.ts.
 */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, type LohaOptions, loha, noCalibration } from "../../adapters/index.ts"
import { describe } from "../../src/models/describe.ts"
import { load } from "../../src/models/load.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { saveTensors } from "../../src/output/index.ts"
import { startFrom } from "../../src/output/peft/start-from.ts"
import { readPeftAdapter } from "../../src/peft/index.ts"
import { readTensors } from "../../src/safetensors/index.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type LinearSite, tensorsOf } from "../../src/tensors/trainable.ts"
import { describeOnEach } from "../backends.ts"
import { expectClose, tolerance } from "../setup.ts"
import { valuesOf } from "../src/models/causal/causal-golden.ts"
import { batchOf, crossEntropy, goldens, readGolden, runScoped as run } from "../src/models/golden.ts"
import { temporaryFolders } from "../src/output/toy-session.ts"

const temporary = temporaryFolders()
const noTokenizer = { encode: () => ({ ids: [], typeIds: [] }), padId: 0, vocabularySize: 0 }

/** The golden BERT with a folder of PEFT put over it. */
const adaptedBy = (name: string) =>
  Effect.gen(function* () {
    const source = yield* readPeftAdapter(join(goldens, "peft", name))
    const { method, modulesToSave: _, ...section } = source.section
    expect(method).toBe("loha")
    const description = yield* describe(join(goldens, "models/bert"), { pooling: "pooler", head: "checkpoint" })
    const model = yield* load(description, { seed: 0, tokenizer: noTokenizer })
    const adapted = yield* inject(model, loha, section as unknown as LohaOptions & { readonly targets: [string] })
    yield* startFrom(adapted, source)
    return { adapted, source }
  })

describeOnEach(() => {
  test.each(["bert-loha", "bert-loha-dense"])("%s: logits are PEFT's", (name) =>
    run(
      Effect.gen(function* () {
        const { adapted } = yield* adaptedBy(name)
        const [io, expected] = yield* Effect.promise(() =>
          Promise.all([readGolden("models/bert/io.safetensors"), readGolden(`peft/${name}/io.safetensors`)])
        )
        const logits = adapted.forward(batchOf(io), adapted.trainable)
        expectClose(yield* valuesOf(logits), expected.get("logits")!.data, tolerance.forward)
      })
    )
  )

  test("loss, every gradient and merged weights are PEFT's, with ranks and alphas by pattern", () =>
    run(
      Effect.gen(function* () {
        const { adapted } = yield* adaptedBy("bert-loha")
        const [io, expected] = yield* Effect.promise(() =>
          Promise.all([readGolden("models/bert/io.safetensors"), readGolden("peft/bert-loha/io.safetensors")])
        )
        const labels = tf.tensor1d(Int32Array.from(io.get("labels")!.data), "int32")
        const { value, gradients } = valueAndGradients(
          () => crossEntropy(adapted.forward(batchOf(io), adapted.trainable), labels),
          tensorsOf(adapted.trainable)
        )
        expectClose(yield* valuesOf(value), expected.get("loss")!.data, tolerance.forward)
        const own = adapted.trainable.dense.filter(({ role }) => role === "body")
        expect([...expected.keys()].filter((key) => key.startsWith("grad."))).toHaveLength(own.length)
        for (const [i, { name }] of own.entries()) {
          const golden = expected.get(`grad.base_model.model.bert.${name}`)!
          expectClose(yield* valuesOf(gradients[i]!), golden.data, tolerance.gradient)
        }
        const merged = [...expected.keys()].filter((key) => key.startsWith("merged."))
        expect(merged).toHaveLength(2)
        for (const key of merged) {
          const site = adapted.sites.find(({ name }) => key === `merged.bert.${name}.weight`)!
          const weight = yield* valuesOf(adapted.merged(site, adapted.trainable))
          expectClose(weight, expected.get(key)!.data, tolerance.forward)
        }
      })
    ))
})

test("the section has PEFT's ranks, alphas and targets", () =>
  run(
    Effect.gen(function* () {
      const { source } = yield* adaptedBy("bert-loha")
      const layer = (i: number, name: string) => `encoder.layer.${i}.attention.self.${name}`
      expect(source.section).toMatchObject({
        rank: 3,
        alpha: 5,
        overrides: [
          { targets: [layer(0, "value"), layer(1, "value")], rank: 3, alpha: 4 },
          { targets: [layer(1, "query")], rank: 2, alpha: 5 }
        ]
      })
      expect(source.section["targets"]).toHaveLength(6)
    })
  ))

test("the file that is written has PEFT's tensors, names and numbers, and the configuration its words", () =>
  run(
    Effect.gen(function* () {
      const { adapted, source } = yield* adaptedBy("bert-loha")
      const again = temporary()
      yield* saveTensors(adapted, again)
      const written = yield* readTensors(join(again, "adapter_model.safetensors"))
      const expected = yield* readTensors(join(source.folder, "adapter_model.safetensors"))
      expect([...written.keys()].sort()).toEqual([...expected.keys()].sort())
      for (const [name, { shape, data }] of expected) {
        expect(written.get(name)!.shape).toEqual([...shape])
        expect(Float32Array.from(written.get(name)!.data)).toEqual(Float32Array.from(data))
      }
      const config = JSON.parse(readFileSync(join(source.folder, "adapter_config.json"), "utf8"))
      const own = loha.peft.layout!.config({
        options: { rank: 3, alpha: 5 },
        sites: adapted.selected.sites as ReadonlyArray<{ readonly site: LinearSite; readonly options: LohaOptions }>,
        steps: 1,
        module: (site) => site,
        stored: () => ({})
      })
      expect(own).toEqual({
        ...Object.fromEntries(Object.keys(own).map((key) => [key, config[key]])),
        rank_dropout: 0,
        rank_pattern: { "encoder.layer.1.attention.self.query": 2 },
        alpha_pattern: { "encoder.layer.0.attention.self.value": 4, "encoder.layer.1.attention.self.value": 4 }
      })
    })
  ))

test("a site starts as PEFT's: three matrices uniform in ±1/√columns, A₂ at 0; its numbers are counted", async () => {
  const site = { name: "some.site", kind: "dense", out: 300, in: 200 } as const
  const options = { rank: 20, alpha: 10 }
  const base = { W: tf.zeros<tf.Rank.R2>([300, 200]), bias: null }
  const source = { ...base, random: randomStream(0, "start"), calibrate: noCalibration }
  const { dense } = await Effect.runPromise(loha.init(site, options, source))
  expect(dense.map(({ value }) => value.shape)).toEqual([
    [300, 20],
    [20, 200],
    [300, 20],
    [20, 200]
  ])
  for (const [i, columns] of [20, 200, 20].entries()) {
    const values = (await dense[i]!.value.data()) as Float32Array
    const bound = 1 / Math.sqrt(columns)
    expect(Math.max(...values) / bound).toBeCloseTo(1, 2)
    expect(Math.min(...values) / bound).toBeCloseTo(-1, 2)
    // the variance of a uniform distribution, within five standard errors
    const variance = values.reduce((sum, x) => sum + x * x, 0) / values.length
    expect(Math.abs((3 * variance) / bound ** 2 - 1)).toBeLessThan(5 / Math.sqrt(values.length))
  }
  expect(Math.max(...(await dense[3]!.value.data()).map(Math.abs))).toBe(0)
  expect(loha.size(site, options).dense).toBe(dense.reduce((sum, { value }) => sum + value.size, 0))
})

test("a rank that W has no room for, and an embedding, are rejected", () => {
  const site: LinearSite = { name: "a", kind: "dense", out: 9, in: 5 }
  expect(loha.problem!(site, { rank: 5, alpha: 1 })).toBeUndefined()
  expect(loha.problem!(site, { rank: 6, alpha: 1 })).toContain("W is [9, 5], so at most 5")
  expect(loha.problem!({ ...site, kind: "embedding" }, { rank: 1, alpha: 1 })).toContain("which loha does not adapt")
})
