/**
 * `export --format onnx` of runs over images, in transformers.js: the logits of `predict`, from the folder alone. Images have the model's size,
 * so that nothing here depends on how they are resized.
 */
import { beforeAll, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { AutoImageProcessor, AutoModel, env, pipeline, RawImage } from "@huggingface/transformers"
import { drawn, drawnClasses } from "../images.ts"
import { onWasm, predicted, repository, succeed, TIMEOUT } from "./fixtures.ts"
import { imagesPlan, imagesWorkspace } from "./images-workspace.ts"

const { w, put } = imagesWorkspace()
env.allowRemoteModels = false
env.localModelPath = `${w.directory}/`

const images = drawnClasses.map((label) => `photos/test/${label}/1.png`)
/** Of float32 another order of sums; of fp16 its 11 bits through two layers; of q8 what bytes leave. */
const BOUNDS = { fp32: 1e-4, fp16: 2e-2, q8: 0.2 } as const

const exported = async (name: string, sections: Record<string, unknown>) => {
  const { training, ...more } = { training: { steps: 4, batchSize: 8 }, ...sections }
  w.write(`${name}.json`, imagesPlan({}, { training, ...more }))
  await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
  await succeed(w.cli(["export", `runs/${name}`, "--format", "onnx", "--out", `out/${name}`, ...onWasm]))
}

const expectLogits = async (name: string, dtype: keyof typeof BOUNDS) => {
  const expected = (await predicted(w, `runs/${name}`, images)).map(({ logits }) =>
    drawnClasses.map((one) => logits[one]!)
  )
  const processor = await AutoImageProcessor.from_pretrained(`out/${name}`)
  const model = await AutoModel.from_pretrained(`out/${name}`, { dtype })
  const raw = await Promise.all(images.map((image) => RawImage.read(w.path(image))))
  const { logits } = await model(await processor(raw))
  const rows = logits.tolist() as ReadonlyArray<ReadonlyArray<number>>
  const largest = Math.max(1, ...expected.flat().map(Math.abs))
  const differences = rows.flatMap((row, i) => row.map((value, j) => Math.abs(value - expected[i]![j]!)))
  expect(differences).toHaveLength(9)
  expect(Math.max(...differences) / largest).toBeLessThan(BOUNDS[dtype])
  await model.dispose()
}

beforeAll(async () => {
  cpSync(join(repository, "test/golden/models/clip"), w.path("clip"), { recursive: true })
  put("photos/test/ring/other.png", drawn("ring", 5))
  await exported("vit", {})
}, TIMEOUT)

test.each(["fp32", "fp16", "q8"] as const)(
  "ViT has the run's logits in %s",
  (dtype) => expectLogits("vit", dtype),
  TIMEOUT
)

test("ViT gives the run's labels in the pipeline", async () => {
  const classify = await pipeline("image-classification", "out/vit", { dtype: "fp32" })
  const answers = (await classify(images.map(w.path))) as unknown as ReadonlyArray<ReadonlyArray<{ label: string }>>
  const expected = await predicted(w, "runs/vit", images)
  expect(answers.map(([first]) => first!.label)).toEqual(expected.map(({ label }) => label))
  // all that a base's file leaves to its class is said
  expect(w.json("out/vit/preprocessor_config.json")).toMatchObject({ do_center_crop: false, resample: 2 })
})

const optimizer = { kind: "lora-pro", learningRate: 5e-3 }

test.each([
  ["clip-head", { kind: "image-classification" }],
  ["clip-vision", { kind: "zero-shot", templates: ["a {}.", "{}"], towers: "vision" }],
  ["clip-both", { kind: "zero-shot", templates: ["a {}.", "{}"], towers: "both" }]
] as const)(
  "%s has the run's logits, without a pipeline",
  async (name, task) => {
    await exported(name, { model: { source: "clip", task }, adapter: { method: "lora", rank: 4, alpha: 8 }, optimizer })
    for (const dtype of ["fp32", "fp16", "q8"] as const) await expectLogits(name, dtype)
    expect(w.read(`out/${name}/README.md`)).toContain("AutoModel.from_pretrained")
  },
  TIMEOUT
)
