/**
 * `model.weights`, as a user meets it: the default plan over the embedded model for some steps, with each form. The run learns as
 * it does in float32, and its setting holds wherever the run is used again. Bytes are counted in test/src/models/packed.processes.ts: a
 * process's peak says little of 20 MB.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { relativeError } from "../setup.ts"
import { jsonObjects, onWasm, predicted, repository, succeed, TIMEOUT, tensorsIn, workspace } from "./fixtures.ts"

const w = workspace()
const plan = join(repository, "examples/plans/movies-lora-pro-full.json")
const STEPS = 16
const forms = ["f32", "f16", "int8"] as const
type Form = (typeof forms)[number]

/** Some rows of an embedded split. */
const someRows = async (split: string, count: number) => {
  const text = await Bun.file(join(repository, "examples/data/movies", `${split}.jsonl`)).text()
  return w.path(w.write(`${split}.jsonl`, `${text.split("\n").slice(0, count).join("\n")}\n`))
}

const rows = { test: await someRows("test", 48), validation: await someRows("validation", 24) }
const settings = (form: Form) =>
  [
    `model.weights=${form}`,
    `training.steps=${STEPS}`,
    // of few rows the best state may be any
    "output.keep=last",
    `data.test=${rows.test}`,
    `data.validation=${rows.validation}`
  ].flatMap((setting) => ["--set", setting])

interface Report {
  readonly trainLoss: number
  readonly before: { readonly loss: number }
  readonly test: { readonly loss: number; readonly accuracy: number }
}

/** Largest difference of a step's loss from the float32 run's, of the largest loss. Weights off by 1/254 of a row's largest; measured 0.004. */
const ROUNDED = 0.02

const reports = {} as Record<Form, Report>
const losses = (form: Form) =>
  jsonObjects(w.read(`runs/${form}/metrics.jsonl`))
    .filter(({ kind }) => kind === "step")
    .map(({ loss }) => loss as number)

beforeAll(async () => {
  for (const form of forms) {
    const { stdout } = await succeed(
      w.cli(["train", plan, ...settings(form), "--out", `runs/${form}`, "--json", ...onWasm])
    )
    reports[form] = JSON.parse(stdout)
  }
}, 2 * TIMEOUT)

describe("trained with packed weights", () => {
  test("a float16 checkpoint held as f16: the same run, bit for bit", () => {
    expect(losses("f16").length).toBe(STEPS)
    expect(losses("f16")).toEqual(losses("f32"))
    for (const file of ["adapter_model.safetensors", "head.safetensors"]) {
      expect(w.bytes(`runs/f16/adapter/${file}`)).toEqual(w.bytes(`runs/f32/adapter/${file}`))
    }
  })

  test("int8: another run that learns as much", () => {
    expect(losses("int8")).not.toEqual(losses("f32"))
    expect(relativeError(losses("int8"), losses("f32"))).toBeLessThan(ROUNDED)
    const { before, test } = reports.f32
    const learned = before.loss - test.loss
    expect(learned).toBeGreaterThan(0.05)
    expect(Math.abs(reports.int8.test.loss - test.loss)).toBeLessThan(learned / 4)
  })
})

describe("the setting stays with the run", () => {
  const texts = ["a gripping, beautifully acted film", "two hours of my life I will never get back"]
  const logits = async (directory: string) =>
    (await predicted(w, directory, texts)).flatMap((prediction) => Object.values(prediction.logits))

  test(
    "predict and evaluate compute over the rounded base, and merge writes it down",
    async () => {
      const own = await logits("runs/int8")
      const { stdout } = await succeed(w.cli(["evaluate", "runs/int8", "--json", ...onWasm]))
      const { loss } = jsonObjects(stdout).find(({ split }) => split === "test") as { loss: number }
      expect(loss).toBe(reports.int8.test.loss)
      // the same adapter over the base as it is on disk answers otherwise
      const { weights: _, ...model } = w.json("runs/int8/plan.json")["model"] as Record<string, unknown>
      const { plan, ...record } = w.json("runs/int8/run.json")
      w.write("runs/unrounded/plan.json", { ...w.json("runs/int8/plan.json"), model })
      w.write("runs/unrounded/run.json", { ...record, plan: { ...(plan as object), model } })
      for (const file of ["adapter_config.json", "adapter_model.safetensors", "head.safetensors"])
        await Bun.write(w.path(`runs/unrounded/adapter/${file}`), Bun.file(w.path(`runs/int8/adapter/${file}`)))
      expect(relativeError(await logits("runs/unrounded"), own)).toBeGreaterThan(1e-3)

      const merged = JSON.parse((await succeed(w.cli(["merge", "runs/int8", "--json", ...onWasm]))).stdout)
      expect(merged.check.relativeDifference).toBeLessThan(1e-4)
      expect(merged.tensors).toMatchObject({ merged: 36, rounded: 0 })
    },
    TIMEOUT
  )

  test("the adapter is one that PEFT reads, with the tensors of any other", async () => {
    const [packed, plain] = await Promise.all(
      (["int8", "f32"] as const).map((form) => tensorsIn(w, `runs/${form}/adapter/adapter_model.safetensors`))
    )
    const shapes = (tensors: typeof packed) => [...tensors!].map(([name, { shape }]) => [name, shape])
    expect(shapes(packed)).toEqual(shapes(plain))
    expect(w.json("runs/int8/adapter/adapter_config.json")).toEqual(w.json("runs/f32/adapter/adapter_config.json"))
  })
})

test(
  "refused where the weights themselves are trained, before anything is read",
  async () => {
    const full = join(repository, "examples/plans/movies-full-fine-tuning.json")
    const { code, stderr } = await w.cli(["validate", full, "--set", "model.weights=f16"])
    expect(code).toBe(1)
    expect(stderr).toContain('model.weights: found "f16" with adapter.method "full"')
  },
  TIMEOUT
)
