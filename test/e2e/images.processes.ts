/** What is done with a run over images: resumed, evaluated, asked, merged, and read by transformers and PEFT. */
import { beforeAll, expect, test } from "bun:test"
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { drawn, drawnClasses } from "../images.ts"
import { jsonObjects, onWasm, predicted, run, succeed, TIMEOUT, tensorsIn } from "./fixtures.ts"
import { imagesPlan, imagesWorkspace } from "./images-workspace.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const { w, put } = imagesWorkspace()

interface Report {
  readonly test: { readonly accuracy: number; readonly loss: number }
  readonly mistakes: ReadonlyArray<Readonly<Record<string, unknown>>>
}

beforeAll(() => complete(w, "plan.json", "runs/one"), TIMEOUT)

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
  expect(stdout).toMatch(/differ.* at most \d(\.\d)?e-\d/)
  expect(w.json("runs/one/merged/config.json")).toMatchObject({
    architectures: ["ViTForImageClassification"],
    id2label: { 0: "cross", 1: "ring", 2: "stripes" }
  })
  const tensors = await tensorsIn(w, "runs/one/merged/model.safetensors")
  expect(tensors.get("classifier.weight")!.shape).toEqual([3, 32])
})

test("over a base held as int8, blocks recomputed, it merges into what it computed with", async () => {
  const training = { steps: 4, batchSize: 8, recompute: "blocks" }
  const adapter = { method: "lora", rank: 4, targets: ["q_proj"] }
  w.write("packed.json", imagesPlan({}, { model: { source: "vit", weights: "int8" }, adapter, training }))
  await complete(w, "packed.json", "runs/packed")
  const { stdout } = await succeed(w.cli(["merge", "runs/packed", "--json", ...onWasm]))
  // two layers of two blocks carry what was trained, and the head's two tensors; the other ten are as int8 has them
  expect(jsonObjects(stdout)[0]).toMatchObject({ tensors: { merged: 4, rounded: 10 } })
})

test("an adapter of PEFT from elsewhere: the same logits as the run that left it", async () => {
  const [own] = await predicted(w, "runs/one", ["photos/test/cross/1.png"])
  const asked = ["predict", "runs/one/adapter", "photos/test/cross/1.png", "--base", "vit", "--json", ...onWasm]
  const [foreign] = jsonObjects((await succeed(w.cli(asked))).stdout)
  expect(Object.values(foreign!["logits"] as object)).toEqual(Object.values(own!.logits))
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

test("an image whose beginning is sound and whose rest is missing is told with its name, and nothing is left of the run", async () => {
  const whole = drawn("ring", 7, 64)
  cpSync(w.path("photos/train"), w.path("cut"), { recursive: true })
  put("cut/ring/7.png", whole.slice(0, whole.length - 60))
  w.write("cut.json", imagesPlan({ train: "cut" }))
  const { code, stderr } = await w.cli(["train", "cut.json", ...onWasm])
  expect(code).toBe(1)
  expect(stderr).toMatch(/cut[/\\]ring[/\\]7\.png: is (truncated|damaged)/)
})

const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import torch, torchvision, transformers, peft, safetensors, PIL"], { cwd: w.directory })
  : { code: 127, stdout: "", stderr: `there is no ${python}` }
if (imports.code !== 0) {
  const reason = imports.stderr.trimEnd().split("\n").at(-1)
  if (process.env["REQUIRE_PEFT"] === "1") throw new Error(`REQUIRE_PEFT=1, but ${python} has no PEFT: ${reason}`)
  console.warn(
    `no PEFT in ${python} (${reason}): logits of images are not compared (REQUIRE_PEFT=1 makes that a failure)`
  )
}

/** Absolute, on logits of the order of 1: float32 through two layers in another order of sums; a forgotten scale is 1e-1. */
const LOGITS = 1e-4

test.skipIf(imports.code !== 0)(
  "transformers computes the run's logits from the merged folder, and PEFT from the adapter",
  async () => {
    const names = drawnClasses.map((label) => `photos/test/${label}/1.png`)
    const expected = (await predicted(w, "runs/one", names)).map(({ logits }) => Object.values(logits))
    await succeed(w.cli(["merge", "runs/one", "--out", "merged", ...onWasm]))
    const images = names.map(w.path)
    const cases = [
      { folder: w.path("merged"), labels: drawnClasses, images },
      { folder: w.path("vit"), adapter: w.path("runs/one/adapter"), labels: drawnClasses, images }
    ]
    const script = join(import.meta.dir, "image_logits.py")
    const { stdout } = await succeed(run([python, script], { cwd: w.directory, stdin: JSON.stringify(cases) }))
    const computed = JSON.parse(stdout) as ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
    expect(computed).toHaveLength(2)
    for (const logits of computed) {
      const differences = logits.flatMap((row, i) => row.map((value, j) => Math.abs(value - expected[i]![j]!)))
      expect(Math.max(...differences)).toBeLessThan(LOGITS)
    }
  },
  TIMEOUT
)
