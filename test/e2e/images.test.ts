/** Images from a folder to a report: suggest, train, and what is wrong said in a sentence. What is done with a run: images.processes.ts. */

import { beforeAll, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { drawn } from "../images.ts"
import { onWasm, succeed, TIMEOUT, tinyPlan } from "./fixtures.ts"
import { imagesPlan, imagesWorkspace } from "./images-workspace.ts"
import { refuses } from "./refusal.ts"
import { complete } from "./train-here.ts"

const { w, put } = imagesWorkspace()
w.model("bert")

interface Report {
  readonly test: { readonly accuracy: number; readonly loss: number }
  readonly mistakes: ReadonlyArray<Readonly<Record<string, unknown>>>
}

beforeAll(() => complete(w, "plan.json", "runs/one"), TIMEOUT)

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

const training = (more: Record<string, unknown>, sections: Record<string, unknown> = {}) => {
  w.write("wrong.json", imagesPlan(more, sections))
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
    says: ['a.csv:3: the image "../photos/test/ring/0.png" is outside of lists', "data.folder"]
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
    name: "images of another size than the model looks at",
    args: () => {
      cpSync(w.path("vit"), w.path("larger"), { recursive: true })
      w.write("larger/preprocessor_config.json", {
        ...w.json("vit/preprocessor_config.json"),
        size: { height: 24, width: 24 }
      })
      return training({}, { model: { source: "larger" } })
    },
    says: ["preprocessor_config.json: makes images of 24×24, but the model of config.json expects 16×16"]
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
    says: ["plan.json: is not a known kind of image"]
  }
])

/** What a PNG's lines say, however they are packed: files of one writer with the same lines are the same image. */
const pixelsIn = (png: Uint8Array): string => {
  const at = Buffer.from(png).indexOf("IDAT")
  const length = new DataView(png.buffer, png.byteOffset + at - 4).getUint32(0)
  return Buffer.from(Bun.inflateSync(png.slice(at + 6, at + 4 + length))).toString("hex")
}
