/** Plans over images for a tf.LayersModel: trained, resumed, asked, merged; what its model sees is computed here once more. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { inflateSync } from "node:zlib"
import * as tf from "@tensorflow/tfjs"
import { loadAdapter } from "../../src/layers-model/index.ts"
import { drawn, drawnClasses } from "../images.ts"
import { onWasm, type Plan, predicted, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { network, openModel, writeModel } from "./pictures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { resultsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
const SIDE = 8

const plan = (sections: Record<string, unknown> = {}, data: object = {}): Plan => ({
  seed: 1,
  model: { source: "rgb/model.json", head: ["scores"] },
  data: { format: "image-arrays", train: "train", validation: "validation", test: "test", ...data },
  adapter: { method: "lora", rank: 2, alpha: 4 },
  optimizer: { kind: "lora-pro", learningRate: 2e-2 },
  training: { steps: 8, batchSize: 5, accumulate: 2, evaluateEvery: 3 },
  output: { checkpointEvery: 2, keepCheckpoints: 2 },
  ...sections
})

const write = (file: string, bytes: Uint8Array) => {
  mkdirSync(w.path(file.replace(/\/[^/]*$/, "")), { recursive: true })
  writeFileSync(w.path(file), bytes)
}

beforeAll(async () => {
  await tf.setBackend("cpu")
  const last = { units: 3, activation: "softmax" } as const
  await writeModel(w, "rgb", network(last, [SIDE, SIDE, 3]))
  await writeModel(w, "grey", network(last, [SIDE, SIDE, 1]))
  await writeModel(w, "wide", network(last, [SIDE, SIDE, 4]))
  for (const [split, count, offset] of [
    ["train", 7, 0],
    ["validation", 3, 20],
    ["test", 4, 30]
  ] as const) {
    for (const name of drawnClasses) {
      for (let i = 0; i < count; i++) write(`${split}/${name}/${i}.png`, drawn(name, offset + i, SIDE))
    }
  }
}, TIMEOUT)

/** RGB bytes of a drawn image: its lines have no filter. */
const bytesOf = (file: string): ReadonlyArray<number> => {
  const png = w.bytes(file)
  const at = Buffer.from(png).indexOf("IDAT")
  const lines = inflateSync(png.subarray(at + 4))
  return Array.from(lines).filter((_, i) => i % (1 + 3 * SIDE) !== 0)
}

const asked = drawnClasses.map((name) => `test/${name}/1.png`)

const sees = {
  rgb: {
    range: "-1 to 1",
    channels: 3,
    numbers: (bytes: ReadonlyArray<number>) => bytes.map((byte) => byte / 127.5 - 1)
  },
  grey: {
    range: "0 to 1",
    channels: 1,
    // ITU-R 601-2, rounded to a byte as Pillow rounds it
    numbers: (bytes: ReadonlyArray<number>) =>
      Array.from({ length: SIDE * SIDE }, (_, i) => {
        const [r, g, b] = bytes.slice(3 * i, 3 * i + 3) as [number, number, number]
        return ((19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16) / 255
      })
  }
} as const

describe("a run", () => {
  test.each(["rgb", "grey"] as const)(
    "of a model for %s images is asked, evaluated and merged",
    async (model) => {
      const { range, channels, numbers } = sees[model]
      const sections = { model: { source: `${model}/model.json`, head: ["scores"] } }
      w.write(`${model}.json`, plan({ ...sections, training: { steps: 60, batchSize: 8 } }, { range }))
      const run = `runs/${model}`
      const { stdout } = await succeed(w.cli(["train", `${model}.json`, "--out", run, ...onWasm]))
      expect(stdout).toContain(`predict ${run} photo.jpg`)
      const { test } = w.json(`${run}/run.json`) as never as { readonly test: { readonly accuracy: number } }
      expect(test.accuracy).toBe(1)

      const own = await predicted(w, run, asked)
      expect(own.map(({ label }) => label)).toEqual([...drawnClasses])
      const inputs = tf.tensor4d(
        asked.flatMap((file) => numbers(bytesOf(file))),
        [3, SIDE, SIDE, channels]
      )
      const logarithms = (model: { readonly predict: (x: tf.Tensor) => unknown }) =>
        tf.tidy(() => Array.from(tf.log(tf.clipByValue(model.predict(inputs) as tf.Tensor, 1e-7, 1)).dataSync()))
      const compare = (there: ReadonlyArray<number>) =>
        own.forEach(({ logits }, i) => {
          drawnClasses.forEach((name, j) => {
            expect(logits[name]!).toBeCloseTo(there[3 * i + j]!, 4)
          })
        })
      // by the promises of `tfjs-lora-pro/layers`, over the model as tfjs loads it
      const adapted = await loadAdapter(await openModel(w, model), w.path(`${run}/adapter`))
      compare(logarithms(adapted as never))
      await adapted.dispose()
      if (model === "grey") return
      await succeed(w.cli(["merge", run, "--out", "merged", ...onWasm]))
      compare(logarithms(await openModel(w, "merged")))
      const evaluated = await succeed(w.cli(["evaluate", run, "--json", ...onWasm]))
      expect(evaluated.stdout).toContain('"split":"test","rows":12')
    },
    TIMEOUT
  )

  test(
    "over other classes than the model's has a new head, which is trained, resumed, saved, merged and asked by the data's labels",
    async () => {
      const labels = ["cross", "ring"] as const
      const sides = { train: "pair/train", validation: "pair/test", test: "pair/test" }
      for (const name of labels) {
        for (let i = 0; i < 10; i++) write(`pair/${i < 7 ? "train" : "test"}/${name}/${i}.png`, drawn(name, i, SIDE))
      }
      const training = { steps: 24, batchSize: 8 }
      w.write("pair.json", plan({ model: { source: "rgb/model.json" }, training }, sides))
      const { stdout } = await succeed(w.cli(["validate", "pair.json"]))
      expect(stdout).toContain('the model has 3 classes and the data have 2 labels: a new layer replaces "scores"')
      await complete(w, "pair.json", "runs/pair")
      expect(w.json("runs/pair/run.json")).toMatchObject({ labels, test: { accuracy: 1 } })
      await trainHere(w, "pair.json", { directory: "runs/pair-cut", until: atStep(9) })
      await complete(w, "pair.json", "runs/pair-cut", { resume: "runs/pair-cut" })
      expect(resultsOf(w, "runs/pair-cut")).toEqual(resultsOf(w, "runs/pair"))

      const files = labels.map((name) => `pair/test/${name}/8.png`)
      const own = await predicted(w, "runs/pair", files)
      expect(own.map(({ label }) => label)).toEqual([...labels])
      await succeed(w.cli(["merge", "runs/pair", "--out", "merged-pair", ...onWasm]))
      const adapted = await loadAdapter(await openModel(w, "rgb"), w.path("runs/pair/adapter"))
      const inputs = tf.tensor4d(
        files.flatMap((file) => bytesOf(file).map((byte) => byte / 255)),
        [2, SIDE, SIDE, 3]
      )
      for (const model of [adapted, await openModel(w, "merged-pair")]) {
        const there = tf.tidy(() => [...tf.log(tf.clipByValue(model.predict(inputs) as tf.Tensor, 1e-7, 1)).dataSync()])
        own.forEach(({ logits }, i) => {
          labels.forEach((name, j) => {
            expect(logits[name]!).toBeCloseTo(there[2 * i + j]!, 4)
          })
        })
      }
      await adapted.dispose()
      const evaluated = await succeed(w.cli(["evaluate", "runs/pair", "--json", ...onWasm]))
      expect(evaluated.stdout).toContain('"accuracy":1')
    },
    TIMEOUT
  )

  test(
    "interrupted and resumed, it is the uninterrupted run, with changes at random",
    async () => {
      const file = w.write("resumed.json", plan({}, { augment: { flip: true, crop: 0.5 } }))
      await complete(w, file, "runs/whole")
      await trainHere(w, file, { directory: "runs/cut", until: atStep(3) })
      await complete(w, file, "runs/cut", { resume: "runs/cut" })
      expect(resultsOf(w, "runs/cut")).toEqual(resultsOf(w, "runs/whole"))
    },
    TIMEOUT
  )

  test(
    "suggest knows the kind by the model and the folder",
    async () => {
      const { stdout, stderr } = await succeed(
        w.cli(["suggest", "--model", "rgb/model.json", "--data", "train", "--out", "suggested.json"])
      )
      expect(w.json("suggested.json")).toMatchObject({
        model: { source: "rgb/model.json", head: ["scores"] },
        data: { format: "image-arrays", train: "train" },
        optimizer: { kind: "lora-pro", learningRate: "auto" }
      })
      expect(stdout + stderr).toContain("data.range must match the range that the model was trained with")
      // a model file that states it leaves nothing to warn of
      cpSync(w.path("rgb"), w.path("stated"), { recursive: true })
      const stated = { ...w.json("rgb/model.json"), userDefinedMetadata: { range: "-1 to 1" } }
      w.write("stated/model.json", JSON.stringify(stated))
      const known = await succeed(w.cli(["suggest", "--model", "stated/model.json", "--data", "train"]))
      expect(JSON.parse(known.stdout)).toMatchObject({ data: { range: "-1 to 1" } })
      expect(known.stderr).not.toContain("data.range must match")
    },
    TIMEOUT
  )
})

const validates = (file: string, sections: Record<string, unknown>, data: object = {}) => {
  w.write(file, plan(sections, data))
  return ["validate", file]
}

const cases: ReadonlyArray<Refusal> = [
  {
    name: "an input that no image has",
    args: () => validates("wide.json", { model: { source: "wide/model.json" } }),
    says: ["wide/model.json: its input is 8×8×4; expected height×width×1 or height×width×3"]
  },
  {
    name: "a folder without classes",
    args: () => validates("flat.json", {}, { train: "train/ring" }),
    says: ["train/ring", "expected a folder of images for each label"]
  },
  {
    name: "a file that is no image",
    args: () => {
      for (const name of drawnClasses) write(`odd/${name}/0.png`, drawn(name, 0, SIDE))
      w.write("odd/ring/1.png", "hello")
      return validates("odd.json", {}, { train: "odd" })
    },
    says: ["odd/ring/1.png"]
  },
  {
    name: "a class too few",
    args: () => {
      for (const name of ["ring", "cross"] as const) write(`two/${name}/0.png`, drawn(name, 0, SIDE))
      const model = { source: "rgb/model.json", head: "checkpoint" }
      w.write("two.json", { ...plan(), model, data: { format: "image-arrays", train: "two" } })
      return ["validate", "two.json"]
    },
    says: ["rgb/model.json", "has 3 classes; the data have 2 labels (cross, ring)"]
  },
  {
    name: "an image that is not there, asked about",
    args: () => ["predict", "runs/rgb", "nowhere.png", ...onWasm],
    says: ["nowhere.png"]
  }
]
refuses("images for a tf.LayersModel", w, cases)
