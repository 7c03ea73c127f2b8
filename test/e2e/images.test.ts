/** Images from a folder to a merged model: suggest, train, resume, evaluate, predict, merge, and what is wrong said in a sentence. */
import { beforeAll, expect, test } from "bun:test"
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { drawn, drawnClasses } from "../images.ts"
import {
  jsonObjects,
  onWasm,
  predicted,
  repository,
  succeed,
  TIMEOUT,
  tensorsIn,
  tinyPlan,
  workspace
} from "./fixtures.ts"
import { refuses } from "./refusal.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
cpSync(join(repository, "test/golden/models/vit"), w.path("vit"), { recursive: true })
w.model("bert")

const put = (name: string, bytes: Uint8Array) => {
  mkdirSync(dirname(w.path(name)), { recursive: true })
  writeFileSync(w.path(name), bytes)
}

/** `count` images of each class, from the `first` on. */
const draw = (folder: string, count: number, first = 0) => {
  for (const label of drawnClasses) {
    for (let i = 0; i < count; i++) put(`${folder}/${label}/${i}.png`, drawn(label, first + i))
  }
}

const data = { format: "images", train: "photos/train", validation: 0.25, test: "photos/test" }
const plan = (more: Record<string, unknown> = {}, sections: Record<string, unknown> = {}) =>
  tinyPlan("vit", {
    data: { ...data, augment: { flip: true, crop: 0.8 }, ...more },
    optimizer: { kind: "lora-pro", learningRate: 5e-3, headLearningRate: 1e-2 },
    training: { steps: 14, batchSize: 8 },
    ...sections
  })

interface Report {
  readonly test: { readonly accuracy: number; readonly loss: number }
  readonly mistakes: ReadonlyArray<Readonly<Record<string, unknown>>>
}

beforeAll(async () => {
  draw("photos/train", 12)
  draw("photos/test", 4, 100)
  // the image of a ring that is said to be one of stripes: a mistake, whatever is learned
  put("photos/test/stripes/0.png", drawn("ring", 200))
  w.write("plan.json", plan())
  await complete(w, "plan.json", "runs/one")
}, TIMEOUT)

test("three classes of drawn images are learned", () => {
  const { test: own, mistakes } = w.json("runs/one/run.json") as unknown as Report
  // 11 of 12 rows have the label that they should have
  expect(own.accuracy).toBe(11 / 12)
  expect(mistakes).toEqual([
    {
      where: expect.stringMatching(/photos[/\\]test[/\\]stripes[/\\]0\.png$/),
      text: "stripes/0.png",
      label: "stripes",
      predicted: "ring",
      probability: expect.any(Number)
    }
  ])
})

test("the report shows a mistake as a picture, which is the image, and run.json does not hold it", () => {
  const [picture] = JSON.parse(w.read("runs/one/pictures.json"))
  const report = w.read("runs/one/report.html")
  expect(report).toContain(`<img src="${picture}" alt="stripes/0.png, labelled stripes, predicted ring">`)
  expect(report).toContain("img-src data:")
  expect(w.read("runs/one/run.json")).not.toContain("data:image")
  const shown = Buffer.from(picture.replace("data:image/png;base64,", ""), "base64")
  expect(pixelsIn(shown)).toEqual(pixelsIn(drawn("ring", 200)))
})

test("a run that was interrupted goes on to the same bits, random crops and flips included", async () => {
  const { exit } = await trainHere(w, "plan.json", { directory: "runs/cut", until: atStep(6) })
  expect(exit._tag).toBe("Failure")
  expect((await trainHere(w, "", { resume: "runs/cut" })).exit._tag).toBe("Success")
  const file = "adapter/adapter_model.safetensors"
  expect([...w.bytes(`runs/cut/${file}`)]).toEqual([...w.bytes(`runs/one/${file}`)])
})

test("predict: paths as they are, rows relative to their file, the same numbers for bytes", async () => {
  const [byPath] = await predicted(w, "runs/one", ["photos/test/cross/1.png"])
  expect(byPath).toMatchObject({ text: "photos/test/cross/1.png", label: "cross" })
  const uri = `data:image/png;base64,${readFileSync(w.path("photos/test/cross/1.png")).toString("base64")}`
  const [byBytes] = await predicted(w, "runs/one", [uri])
  expect(byBytes!.logits).toEqual(byPath!.logits)
  w.write("photos/rows.csv", "image,note\ntest/cross/1.png,a\ntest/ring/1.png,b\n")
  await succeed(w.cli(["predict", "runs/one", "--data", "photos/rows.csv", "--out", "out.jsonl", ...onWasm]))
  expect(jsonObjects(w.read("out.jsonl"))).toMatchObject([
    { image: "test/cross/1.png", note: "a", prediction: "cross" },
    { image: "test/ring/1.png", note: "b", prediction: "ring" }
  ])
})

test("evaluate: its own rows, and those of a file that names images", async () => {
  const { test: own } = w.json("runs/one/run.json") as unknown as Report
  const { stdout } = await succeed(w.cli(["evaluate", "runs/one", "--json", ...onWasm]))
  expect(jsonObjects(stdout).at(-1)).toMatchObject({ split: "test", loss: own.loss })
  const rows = drawnClasses.map((label) => `test/${label}/2.png,${label}`)
  w.write("photos/labelled.csv", ["image,label", ...rows].join("\n"))
  const other = await succeed(w.cli(["evaluate", "runs/one", "--data", "photos/labelled.csv", "--json", ...onWasm]))
  expect(jsonObjects(other.stdout)[0]).toMatchObject({ rows: 3, accuracy: 1 })
})

test("the merged model is held against the run, and says which class it is", async () => {
  const { stdout } = await succeed(w.cli(["merge", "runs/one", ...onWasm]))
  expect(stdout).toMatch(/differ.* at most \d\.\de-\d/)
  expect(w.json("runs/one/merged/config.json")).toMatchObject({
    architectures: ["ViTForImageClassification"],
    id2label: { 0: "cross", 1: "ring", 2: "stripes" }
  })
  const tensors = await tensorsIn(w, "runs/one/merged/model.safetensors")
  expect(tensors.get("classifier.weight")!.shape).toEqual([3, 32])
})

test("an adapter of PEFT from elsewhere: the same logits as the run that left it", async () => {
  const [own] = await predicted(w, "runs/one", ["photos/test/cross/1.png"])
  const asked = ["predict", "runs/one/adapter", "photos/test/cross/1.png", "--base", "vit", "--json", ...onWasm]
  const [foreign] = jsonObjects((await succeed(w.cli(asked))).stdout)
  expect(Object.values(foreign!["logits"] as object)).toEqual(Object.values(own!.logits))
})

test("suggest finds splits in a folder, and what columns of rows hold", async () => {
  const suggested = async (rows: string) => {
    const { stdout } = await succeed(w.cli(["suggest", "--model", "vit", "--data", rows, "--json"]))
    return (JSON.parse(stdout) as { readonly plan: { readonly data: Record<string, unknown> } }).plan.data
  }
  expect(await suggested("photos")).toMatchObject({ format: "images", train: "photos/train", test: "photos/test" })
  w.write(
    "photos/named.csv",
    [
      "file_name,kind",
      "train/ring/0.png,ring",
      "train/cross/0.png,cross",
      "train/cross/1.png,cross",
      "train/ring/1.png,ring",
      ""
    ].join("\n")
  )
  expect(await suggested("photos/named.csv")).toMatchObject({
    format: "images",
    train: "photos/named.csv",
    image: "file_name",
    label: "kind",
    folder: "photos"
  })
})

test("other images than those that were trained on are told", async () => {
  cpSync(w.path("runs/one"), w.path("runs/changed"), { recursive: true })
  const image = w.path("photos/test/ring/3.png")
  const before = readFileSync(image)
  put("photos/test/ring/3.png", drawn("ring", 300))
  try {
    const { stderr } = await succeed(w.cli(["evaluate", "runs/changed", ...onWasm]))
    expect(stderr).toMatch(
      /data\.test\.images: trained with SHA-256 \w+…, now SHA-256 \w+…: its numbers are not comparable/
    )
    const resumed = await w.cli(["train", "--resume", "runs/changed", ...onWasm])
    expect(resumed.code).toBe(1)
    expect(resumed.stderr).toContain("data.test.images: trained with")
  } finally {
    writeFileSync(image, before)
  }
})

const training = (more: Record<string, unknown>, sections: Record<string, unknown> = {}) => {
  w.write("wrong.json", plan(more, sections))
  return ["train", "wrong.json", ...onWasm]
}

refuses("images", w, [
  {
    name: "no folders of labels",
    args: () => {
      put("flat/a.png", drawn("ring", 0))
      return training({ train: "flat" })
    },
    says: ["flat: found 1 image without a folder", "expected a folder of images for each label"]
  },
  {
    name: "a broken image",
    args: () => {
      put("broken/ring/a.png", drawn("ring", 0))
      put("broken/cross/b.png", drawn("cross", 0).slice(0, 20))
      return training({ train: "broken" })
    },
    says: ["cross/b.png: is truncated"]
  },
  {
    name: "a file that is not there, and one outside of the folder",
    args: () => {
      w.write("lists/a.csv", "image,label\nnone.png,a\n../photos/test/ring/0.png,b\n")
      return training({ train: "lists/a.csv", test: undefined })
    },
    says: ['a.csv:3: the image "../photos/test/ring/0.png" lies outside of lists', "data.folder"]
  },
  {
    name: "an unknown column",
    args: () => {
      w.write("photos/files.csv", "file,label\ntrain/ring/0.png,ring\n")
      return training({ train: "photos/files.csv" })
    },
    says: ['no image field "image" (found: file, label']
  },
  {
    name: "a label that no training image has",
    args: () => {
      put("other/blob/0.png", drawn("ring", 0))
      return training({ test: "other" })
    },
    says: ['blob/0.png: the label "blob" (1 row) is not among the classes']
  },
  {
    name: "a model of texts",
    args: () => training({}, { model: { source: "bert" } }),
    says: ['data.format: found "images" with a model of type "bert"; expected "classification"']
  },
  {
    name: "a model of images for texts",
    args: () => {
      w.write("wrong.json", tinyPlan("bert", { model: { source: "vit" } }))
      return ["train", "wrong.json", ...onWasm]
    },
    says: ['data.format: found "classification" with a model of type "vit"; expected "images"']
  },
  {
    name: "a folder for a kind over texts",
    args: () => {
      w.write("wrong.json", tinyPlan("bert", { data: { format: "classification", train: "photos/train" } }))
      return ["train", "wrong.json", ...onWasm]
    },
    says: ["photos/train: this is a folder; give a data file in it"]
  },
  {
    name: "a photo to predict that is no image",
    args: () => ["predict", "runs/one", "plan.json", ...onWasm],
    says: ["plan.json: is no image that is known"]
  }
])

/** What a PNG's lines say, however they are packed: files of one writer with the same lines are the same image. */
const pixelsIn = (png: Uint8Array): string => {
  const at = Buffer.from(png).indexOf("IDAT")
  const length = new DataView(png.buffer, png.byteOffset + at - 4).getUint32(0)
  return Buffer.from(Bun.inflateSync(png.slice(at + 6, at + 4 + length))).toString("hex")
}
