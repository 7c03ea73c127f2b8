/** Plans over rows of numbers: a tf.LayersModel by its model.json, trained, resumed, used and merged like any other run. */
import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import { loadAdapter } from "../../src/layers-model/index.ts"
import { jsonLines, jsonObjects, onWasm, predicted, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { inputs, names, picture, pictures, plan, rows } from "./pictures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { metricsOf, resultsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
const { baseOf } = pictures(w)

/** log p of the rows' classes, as tfjs's own code computes it. */
const logarithms = (model: { readonly predict: (x: tf.Tensor) => unknown }, count: number) =>
  tf.tidy(() => Array.from(tf.log(tf.clipByValue(model.predict(inputs(count)) as tf.Tensor, 1e-7, 1)).dataSync()))

describe("a run", () => {
  test(
    "trains, predicts, evaluates and is merged; other programs read what it leaves",
    async () => {
      w.write("pictures.json", plan({ training: { steps: 60, batchSize: 8 } }))
      const { stdout, stderr } = await succeed(w.cli(["train", "pictures.json", "--out", "runs/pictures", ...onWasm]))
      expect(stderr).toContain("after step 60: test accuracy")
      expect(stdout).toContain("predict runs/pictures < rows.jsonl")
      const report = w.json("runs/pictures/run.json") as never as {
        readonly test: { readonly accuracy: number }
        readonly base: { readonly sha256: object }
      }
      expect(report.test.accuracy).toBe(1)
      expect(Object.keys(report.base.sha256)).toEqual(["group1-shard1of2.bin", "group1-shard2of2.bin"])

      const texts = rows(6).map(({ pixels }) => JSON.stringify(pixels))
      const own = await predicted(w, "runs/pictures", texts)
      expect(own.map(({ label }) => label)).toEqual(rows(6).map(({ kind }) => kind!))

      // by the promises of `tfjs-lora-pro/layers`, over the model as tfjs loads it
      const base = await baseOf("model")
      const adapted = await loadAdapter(base, w.path("runs/pictures/adapter"))
      const there = logarithms(adapted as never, 6)
      own.forEach(({ logits }, i) => {
        names.forEach((name, j) => {
          expect(logits[name]!).toBeCloseTo(there[3 * i + j]!, 4)
        })
      })
      await adapted.dispose()

      // without its run: over the model that is named, its classes by number, rows as the model takes them
      const scaled = rows(6).map(({ pixels }) => JSON.stringify(pixels.map((row) => row.map((grey) => grey / 255))))
      const over = ["--base", "model/model.json", "--json", ...onWasm]
      const { stdout: alone } = await succeed(w.cli(["predict", "runs/pictures/adapter", ...over], scaled.join("\n")))
      jsonObjects(alone).forEach(({ label, logits }, i) => {
        expect(names[Number(label)]).toBe(own[i]!.label as (typeof names)[number])
        names.forEach((name, j) => {
          expect((logits as Record<string, number>)[`${j}`]!).toBeCloseTo(own[i]!.logits[name]!, 4)
        })
      })

      await succeed(w.cli(["merge", "runs/pictures", "--out", "merged", ...onWasm]))
      const merged = await baseOf("merged")
      logarithms(merged, 6).forEach((value, i) => {
        expect(value).toBeCloseTo(there[i]!, 4)
      })
      const evaluated = await succeed(w.cli(["evaluate", "runs/pictures", "--json", ...onWasm]))
      expect(evaluated.stdout).toContain('"split":"test","rows":12')
    },
    TIMEOUT
  )

  test(
    "interrupted and resumed, it is the uninterrupted run, with the ranks that its init decided",
    async () => {
      const init = { kind: "gora", batches: 2, minRank: 1 }
      const file = w.write("resumed.json", plan({ adapter: { method: "lora", rank: 2, alpha: 4, init } }))
      await complete(w, file, "runs/whole")
      await trainHere(w, file, { directory: "runs/cut", until: atStep(3) })
      await trainHere(w, file, { resume: "runs/cut", until: atStep(6) })
      expect(metricsOf(w, "runs/cut").at(-1)).toMatchObject({ kind: "step", step: 6 })
      await complete(w, file, "runs/cut", { resume: "runs/cut" })
      expect(resultsOf(w, "runs/cut")).toEqual(resultsOf(w, "runs/whole"))
      const { ranks } = w.json("runs/cut/run.json") as { readonly ranks: Readonly<Record<string, number>> }
      expect(ranks).toEqual(w.json("runs/whole/run.json")["ranks"] as typeof ranks)
      expect(new Set(Object.values(ranks)).size).toBeGreaterThan(1)
      const texts = rows(3).map(({ pixels }) => JSON.stringify(pixels))
      const own = await predicted(w, "runs/cut", texts)
      const scaled = rows(3).map(({ pixels }) => JSON.stringify(pixels.map((row) => row.map((grey) => grey / 255))))
      const over = ["--base", "model/model.json", "--json", ...onWasm]
      const { stdout } = await succeed(w.cli(["predict", "runs/cut/adapter", ...over], scaled.join("\n")))
      jsonObjects(stdout).forEach(({ logits }, i) => {
        const alone = Object.values(logits as Record<string, number>)
        Object.values(own[i]!.logits).forEach((logit, j) => {
          expect(alone[j]!).toBeCloseTo(logit, 4)
        })
      })
    },
    TIMEOUT
  )
})

const validates = (file: string, sections: Record<string, unknown>) => {
  w.write(file, plan(sections))
  return ["validate", file]
}
const broken = (row: object) => {
  w.write("broken.jsonl", jsonLines([...rows(3), row]))
  return { data: { ...plan().data, train: "broken.jsonl" } }
}

const cases: ReadonlyArray<Refusal> = [
  {
    name: "no model.json",
    args: () => validates("missing.json", { model: { source: "nowhere/model.json" } }),
    says: ["nowhere/model.json", "no such file", "expected the model.json of a tf.LayersModel"]
  },
  {
    name: "a graph model",
    args: () => {
      w.write("graph/model.json", { format: "graph-model", modelTopology: {}, weightsManifest: [] })
      return validates("graph.json", { model: { source: "graph/model.json" } })
    },
    says: ["tf.GraphModel", "expected a tf.LayersModel", "tensorflowjs_converter"]
  },
  {
    name: "too few numbers in a row",
    args: () => validates("short.json", broken({ pixels: [[1, 2]], kind: "dark" })),
    says: ["broken.jsonl:4", 'the input "pixels" has 2 numbers, expected 36']
  },
  {
    name: "something else in a row",
    args: () => validates("word.json", broken({ pixels: [[1, "2"]], kind: "dark" })),
    says: ["broken.jsonl:4", 'the input "pixels" has a string at 1, expected numbers']
  },
  {
    name: "a label too many",
    args: () =>
      validates("labels.json", {
        ...broken({ pixels: picture(0), kind: "other" }),
        model: { source: "model/model.json", head: "checkpoint" }
      }),
    says: ["model/model.json", "has 3 classes; the data have 4 labels (dark, light, other, striped)", 'head to "new"']
  },
  {
    name: "an activation that gives no scores",
    args: () => validates("odd.json", { model: { source: "odd/model.json" } }),
    says: ['found the activation "relu" after its last layer; expected softmax, linear, or one sigmoid unit']
  },
  {
    name: "a head that is no layer",
    args: () => validates("head.json", { model: { source: "model/model.json", head: ["score"] } }),
    says: ['model.head: found "score"', 'did you mean "scores"?']
  },
  {
    name: "weights that are not all there",
    args: () => {
      w.write("cut/model.json", w.read("model/model.json"))
      writeFileSync(w.path("cut/group1-shard1of2.bin"), w.bytes("model/group1-shard1of2.bin"))
      w.write("cut.json", plan({ model: { source: "cut/model.json" } }))
      return ["train", "cut.json", "--out", "runs/cut-weights", ...onWasm]
    },
    says: ["its weight file", "group1-shard2of2.bin cannot be read"]
  },
  {
    name: "an adapter without its run or its base",
    args: () => ["predict", "runs/pictures/adapter", ...onWasm],
    says: ["runs/pictures/adapter: is an adapter without its run", "--base"]
  },
  {
    name: "words where numbers are asked for",
    args: () => ["predict", "runs/pictures", "a fine film", ...onWasm],
    says: ["row 1: is not JSON; expected a JSON list of 36 numbers on one line"]
  }
]
refuses("rows of numbers", w, cases)
