/**
 * `merge` as a process, and its folders in Hugging Face transformers: the same texts, the same logits, the same labels.
 *
 * Python computes them from the merged folder alone (`merged_labels.py`). Where Python has no torch and transformers, the skip is
 * announced (REQUIRE_PEFT=1 makes it a failure; PYTHON names the interpreter); what is merged is tested without Python in
 * test/src/output/merge.test.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Prediction } from "../../src/kinds/index.ts"
import { MERGE_BOUND } from "../../src/output/index.ts"
import { loadRun, mergeRun } from "../../src/trained/index.ts"
import { onDevice, trainTiny } from "../src/output/tiny-run.ts"
import {
  jsonLines,
  jsonObjects,
  labels,
  listing,
  onWasm,
  repository,
  run as runCommand,
  succeed,
  TIMEOUT,
  type TinyModel,
  tinyRows,
  workspace
} from "./fixtures.ts"

const w = workspace()
const lora = { method: "lora", rank: 4, alpha: 8 }

const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await runCommand([python, "-c", "import torch, transformers, safetensors"], { cwd: w.directory })
  : { code: 127, stdout: "", stderr: `there is no ${python}` }
if (imports.code !== 0) {
  const reason = imports.stderr.trimEnd().split("\n").at(-1)
  if (process.env["REQUIRE_PEFT"] === "1") {
    throw new Error(`REQUIRE_PEFT=1, but ${python} has no transformers: ${reason}`)
  }
  console.warn(
    `no transformers in ${python} (${reason}): merged folders are not loaded there (REQUIRE_PEFT=1 makes that a failure)`
  )
}

beforeAll(() => {
  for (const model of ["bert", "minilm", "modernbert", "roberta", "distilbert"] as const) w.model(model)
})

describe("merge RUN", () => {
  let run: string
  beforeAll(async () => {
    run = await trainTiny(w, "tiny", "minilm", { adapter: lora })
  }, TIMEOUT)

  test(
    "makes RUN/merged and says how exact it is",
    async () => {
      const { stdout } = await succeed(w.cli(["merge", "runs/tiny", ...onWasm]))
      expect(stdout).toContain("runs/tiny/merged/ contains the merged model: 12 tensors include the adapter")
      expect(stdout).toMatch(/On 6 validation rows .* at most \d(\.\d)?e-\d/)
      expect(stdout).toContain("6 of 6 labels are the same")
      expect(listing(join(run, "merged"))).toEqual([
        "README.md",
        "config.json",
        "head.safetensors",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json"
      ])
    },
    TIMEOUT
  )

  test("a head that no class of transformers has is not said to be one: the card tells where it works", () => {
    const card = w.read("runs/tiny/merged/README.md")
    expect(card).toContain("pipeline_tag: feature-extraction")
    expect(card).not.toContain("pipeline_tag: text-classification")
    expect(card).toContain("would use a random new head instead")
    expect(card).toContain("export RUN --format onnx")
    const config = w.json("runs/tiny/merged/config.json")
    expect(config).toMatchObject({ architectures: ["BertModel"] })
    for (const key of ["id2label", "label2id", "problem_type"]) expect(config).not.toHaveProperty(key)
    // the labels are with their head
    const bytes = w.bytes("runs/tiny/merged/head.safetensors")
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
    expect(JSON.parse(header.__metadata__.labels)).toEqual([...labels])
  })

  test(
    "--json prints one object and nothing else, --out says where to",
    async () => {
      const { stdout } = await succeed(w.cli(["merge", "runs/tiny", "--json", "--out", "elsewhere", ...onWasm]))
      const [report, ...more] = jsonObjects(stdout)
      expect(more).toEqual([])
      expect(report).toMatchObject({
        directory: "elsewhere",
        tensors: { merged: 12, leftOut: [] },
        check: { split: "validation", rows: 6, sameLabel: 6, bound: MERGE_BOUND }
      })
      for (const file of ["model.safetensors", "head.safetensors", "config.json"]) {
        expect(w.bytes(`elsewhere/${file}`)).toEqual(w.bytes(`runs/tiny/merged/${file}`))
      }
    },
    TIMEOUT
  )

  /** One message on stderr, exit 1, no stack, and not a file more or less. */
  const refused = async (args: ReadonlyArray<string>, ...says: ReadonlyArray<string>) => {
    const before = listing(w.directory)
    const { code, stdout, stderr } = await w.cli([...args, ...onWasm])
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    for (const words of says) expect(stderr).toContain(words)
    expect(stderr).not.toContain("    at ")
    expect(stderr.match(/ERROR/g)!.length).toBe(1)
    expect(listing(w.directory)).toEqual(before)
  }

  test("refuses a folder that exists", () => refused(["merge", "runs/tiny"], "runs/tiny/merged", "--out"), TIMEOUT)

  test("refuses what is not a run", () => refused(["merge", "minilm"], "minilm", "plan.json is missing"), TIMEOUT)

  test(
    "refuses another base",
    async () => {
      w.model("minilm", "other")
      const bytes = w.bytes("other/model.safetensors")
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(w.path("other/model.safetensors"), bytes)
      await refused(["merge", "runs/tiny", "--out", "new", "--base", "other"], "model.safetensors", "SHA-256", "--base")
    },
    TIMEOUT
  )

  test(
    "refuses a damaged adapter",
    async () => {
      const file = "runs/tiny/adapter/adapter_model.safetensors"
      const whole = w.bytes(file)
      writeFileSync(w.path(file), whole.subarray(0, -1))
      await refused(["merge", "runs/tiny", "--out", "new"], "adapter_model.safetensors", "truncated")
      writeFileSync(w.path(file), whole)
    },
    TIMEOUT
  )
})

interface Computed {
  readonly classes: ReadonlyArray<string>
  readonly logits: ReadonlyArray<ReadonlyArray<number>>
  readonly labels: ReadonlyArray<string>
}

/** What transformers says of texts, for each merged folder. */
const inTransformers = async (
  cases: ReadonlyArray<{
    readonly folder: string
    readonly texts: ReadonlyArray<string>
    readonly maxLength: number
  }>
): Promise<ReadonlyArray<Computed>> => {
  // nothing here may reach for a hub
  const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" }
  const script = join(import.meta.dir, "merged_labels.py")
  const { stdout } = await succeed(
    runCommand([python, script], { cwd: w.directory, stdin: JSON.stringify(cases), env })
  )
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!)
}

/** Same labels, and the largest difference between logits over the largest logit. */
const expectSame = (predictions: ReadonlyArray<Prediction>, computed: Computed) => {
  expect(computed.labels).toEqual(predictions.map(({ label }) => label))
  const ours = predictions.flatMap(({ logits }) => computed.classes.map((label) => logits[label]!))
  const theirs = computed.logits.flat()
  expect(theirs.length).toBe(ours.length)
  const largest = Math.max(...ours.map(Math.abs))
  const difference = Math.max(...ours.map((logit, i) => Math.abs(logit - theirs[i]!)))
  expect(difference / largest).toBeLessThanOrEqual(MERGE_BOUND)
  // texts are told apart, so that equal logits mean something
  expect(Math.max(...ours) - Math.min(...ours)).toBeGreaterThan(100 * MERGE_BOUND * largest)
}

describe.skipIf(imports.code !== 0)("transformers says of a merged run what the run says:", () => {
  const pooler = { kind: "classification", pooling: "pooler" }
  const adamw = { kind: "adamw", learningRate: 1e-2 }
  const modulesToSave = ["encoder.layer.1.output.LayerNorm"]
  const cases: ReadonlyArray<{ readonly name: string; readonly model: TinyModel; readonly sections: object }> = [
    { name: "minilm-mean", model: "minilm", sections: { adapter: lora } },
    { name: "minilm-pooler", model: "minilm", sections: { task: pooler, adapter: lora } },
    { name: "bert-mean", model: "bert", sections: { adapter: { ...lora, modulesToSave, scaling: "rank-stabilized" } } },
    {
      name: "bert-pooler",
      model: "bert",
      sections: {
        task: pooler,
        adapter: { ...lora, modulesToSave, overrides: [{ targets: ["query"], rank: 2, alpha: 3 }] }
      }
    },
    { name: "bert-full", model: "bert", sections: { task: pooler, adapter: { method: "full" }, optimizer: adamw } },
    { name: "roberta-mean", model: "roberta", sections: { adapter: { method: "none" }, optimizer: adamw } },
    { name: "roberta-pooler", model: "roberta", sections: { task: pooler, adapter: lora } },
    { name: "distilbert-mean", model: "distilbert", sections: { adapter: lora } },
    { name: "distilbert-pooler", model: "distilbert", sections: { task: pooler, adapter: lora } },
    { name: "modernbert-mean", model: "modernbert", sections: { adapter: lora } },
    { name: "modernbert-pooler", model: "modernbert", sections: { task: pooler, adapter: lora } }
  ]
  const texts = [...tinyRows(12, 40).map(({ text }) => text), "Nobody knows these words!", "the film"]
  const ours: Array<ReadonlyArray<Prediction>> = []
  let theirs: ReadonlyArray<Computed> = []

  beforeAll(async () => {
    for (const { name, model, sections } of cases) {
      const run = await trainTiny(w, name, model, { ...sections })
      await onDevice(mergeRun(run))
      ours.push(await onDevice(Effect.flatMap(loadRun(run), ({ predict }) => predict(texts))))
    }
    theirs = await inTransformers(
      cases.map(({ name }) => ({ folder: w.path(`runs/${name}/merged`), texts, maxLength: 16 }))
    )
  }, cases.length * TIMEOUT)

  cases.forEach(({ name }, i) => {
    test(name, () => {
      expect(theirs[i]!.classes).toEqual(labels)
      expectSame(ours[i]!, theirs[i]!)
    })
  })

  test(
    "the embedded model, a few steps of the default plan, on every row of the test split",
    async () => {
      const movies = join(repository, "examples", "data", "movies")
      const lines = readFileSync(join(movies, "test.jsonl"), "utf8").trimEnd().split("\n")
      const all = lines.map((line) => (JSON.parse(line) as { readonly text: string }).text)
      expect(all.length).toBe(800)
      // few rows to evaluate on while training: the rows that count are compared here
      w.write("few.jsonl", jsonLines(lines.slice(0, 16).map((line) => JSON.parse(line))))
      const few = ["validation", "test"].flatMap((split) => ["--set", `data.${split}=${w.path("few.jsonl")}`])
      const plan = join(repository, "examples", "plans", "movies-lora-pro-full.json")
      await succeed(w.cli(["train", plan, "--set", "training.steps=4", "--out", "runs/movies", ...few, ...onWasm]))
      await succeed(w.cli(["merge", "runs/movies", ...onWasm]))
      const predictions: Array<Prediction> = []
      // quarters: no process needs longer than TIMEOUT on a busy machine
      for (let start = 0; start < all.length; start += 200) {
        const quarter = all.slice(start, start + 200).join("\n")
        const { stdout } = await succeed(w.cli(["predict", "runs/movies", "-", "--json", ...onWasm], quarter))
        predictions.push(...(jsonObjects(stdout) as unknown as ReadonlyArray<Prediction>))
      }
      expect(predictions.map(({ text }) => text)).toEqual(all)
      const [computed] = await inTransformers([{ folder: w.path("runs/movies/merged"), texts: all, maxLength: 32 }])
      expectSame(predictions, computed!)
      expect(new Set(computed!.labels).size).toBe(2)
    },
    8 * TIMEOUT
  )
})
