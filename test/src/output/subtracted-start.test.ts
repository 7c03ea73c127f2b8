/**
 * A run whose pairs subtract their start, after training: the files give back the very factors and the very start, also over a base that
 * was packed, and with them what the run computed.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type AdapterMethod, inject, type LoraOptions, lora } from "../../../adapters/index.ts"
import { restoreAdapter, saveTensors } from "../../../src/output/adapter-folder.ts"
import { frozenOf, type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { evaluateRun, loadRun } from "../../../src/trained/index.ts"
import { scoreOf } from "../../../src/training/index.ts"
import { toyModel } from "../../adapters/toy-model.ts"
import { tensorsIn, workspace } from "../../e2e/fixtures.ts"
import { expectNoLeak } from "../../setup.ts"
import { onDevice, trainTiny } from "./tiny-run.ts"

const w = workspace()
const overrides = [{ targets: ["query"], rank: 2 }]
const pissa = { method: "lora", rank: 4, alpha: 8, init: { kind: "pissa" } }

const runs = {
  "rank-stabilized, ranks by pattern": { adapter: { ...pissa, scaling: "rank-stabilized", overrides } },
  "an int8 base, adamw": { adapter: pissa, weights: "int8", optimizer: { kind: "adamw", learningRate: 1e-2 } },
  plain: { adapter: { method: "lora", rank: 4, alpha: 8 } }
}
const folderOf = (name: string) => name.replaceAll(/\W+/g, "-")

beforeAll(async () => {
  w.model("bert")
  for (const [name, sections] of Object.entries(runs))
    await trainTiny(w, folderOf(name), "bert", { ...sections, output: { keepCheckpoints: 1 } })
})

const values = (tensors: ReturnType<typeof tensorsOf>) =>
  Effect.promise(() =>
    Promise.all(tensors.map(async (tensor) => [tensor.shape, (await tensor.data()).slice()] as const))
  )

test("a method that PEFT does not know keeps what its pairs subtract beside them", () =>
  onDevice(
    Effect.gen(function* () {
      const toy = yield* Effect.acquireRelease(Effect.sync(toyModel), ({ dispose }) => Effect.sync(dispose))
      // names of files are a family's affair
      const model = { ...toy.model, family: "bert" }
      const method: AdapterMethod<LoraOptions> = {
        ...lora,
        tag: "of-somebody-else",
        peft: { layout: null, because: "PEFT has no such method" }
      }
      const options: LoraOptions = { rank: 2, alpha: 4, scaling: "standard", init: { kind: "pissa" } }
      const saved = yield* inject(model, method, { ...options, targets: ["dense"] })
      yield* saveTensors(saved, w.path("foreign"))
      const all = (trainable: Trainable) => values([...tensorsOf(trainable), ...frozenOf(trainable)])
      const other = { ...model, weights: (name: string) => tf.mul(model.weights(name), 2) }
      const again = yield* inject(other, method, { ...options, targets: ["dense"] })
      expect(yield* all(again.trainable)).not.toEqual(yield* all(saved.trainable))
      yield* restoreAdapter(again, w.path("foreign"))
      expect(yield* all(again.trainable)).toEqual(yield* all(saved.trainable))
    })
  ))

describe("a finished run", () => {
  for (const name of Object.keys(runs).slice(0, 2)) {
    test(`${name}: factors and start come back bit for bit, and the logits with them`, async () => {
      const run = w.path(`runs/${folderOf(name)}`)
      const { kept } = w.json(`runs/${folderOf(name)}/run.json`) as { readonly kept: { readonly step: number } }
      const stored = await tensorsIn(w, `runs/${folderOf(name)}/checkpoints/step-0000000${kept.step}/state.safetensors`)
      const inCheckpoint = (kind: string) =>
        [...stored]
          .filter(([key]) => key.startsWith(`${kind}.`))
          .sort(([a], [b]) => Number(a.split(".")[1]) - Number(b.split(".")[1]))
          .map(([, { shape, data }]) => [[...shape], data])
      await onDevice(
        Effect.gen(function* () {
          const loaded = yield* loadRun(run)
          const { trainable } = loaded.adapted
          const trained: unknown = yield* values(tensorsOf(trainable))
          const starts: unknown = yield* values(frozenOf(trainable))
          expect(trained).toEqual(inCheckpoint("trainable"))
          expect(starts).toEqual(inCheckpoint("start"))
          expect(frozenOf(trainable)).toHaveLength(2 * loaded.adapted.sites.length)
          const reports = yield* evaluateRun(loaded)
          const report = w.json(`runs/${folderOf(name)}/run.json`) as Record<string, { loss: number; accuracy: number }>
          for (const evaluated of reports) {
            const { split, loss } = evaluated
            expect([split, loss, scoreOf(evaluated, "accuracy")]).toEqual([
              split,
              report[split]!.loss,
              report[split]!.accuracy
            ])
          }
          expect(reports.map(({ split }) => split)).toContain("test")
        })
      )
    })
  }

  test("leaves nothing on the device when it is closed", () =>
    expectNoLeak(() => onDevice(Effect.asVoid(loadRun(w.path(`runs/${folderOf("an int8 base, adamw")}`))))))

  test("is told in the card, with what the files hold", () => {
    const card = w.read(`runs/${folderOf("rank-stabilized, ranks by pattern")}/adapter/README.md`)
    expect(card).toContain("(pissa) has BA ≠ 0")
    expect(card).toContain("| adapter.rank | 4 |")
    expect(w.read("runs/plain/adapter/README.md")).not.toContain("has BA ≠ 0")
    const config = w.json(`runs/${folderOf("rank-stabilized, ranks by pattern")}/adapter/adapter_config.json`)
    expect([config["r"], config["use_rslora"]]).toEqual([8, true])
    // s = α/√r as in training
    expect(config["lora_alpha"]).toBeCloseTo(8 * Math.SQRT2, 12)
    expect(new Set(Object.values(config["rank_pattern"] as object))).toEqual(new Set([4]))
  })
})
