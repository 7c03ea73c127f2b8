/**
 * Runs that begin with an adapter: of PEFT, of another run; what they leave behind, and what is said where the two do not fit.
 * Language models are in adapter-from.processes.ts.
 */
import { expect, test } from "bun:test"
import { cpSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { onWasm, repository, succeed, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
const golden = (name: string) =>
  cpSync(join(repository, "test", "golden", "peft", name), w.path(name), { recursive: true })

w.model("bert")
for (const name of ["bert-regex", "bert-dense", "bert-layers", "distilbert-exclude"]) golden(name)

const pooler = { source: "bert", task: { kind: "classification", pooling: "pooler" } }
const planned = (name: string, adapter: object, sections: Record<string, unknown> = {}) =>
  w.write(
    `${name}.json`,
    tinyPlan("bert", { model: pooler, adapter, training: { steps: 2, batchSize: 4 }, ...sections })
  )
const train = (plan: string, out: string) => succeed(w.cli(["train", plan, "--out", out, ...onWasm]))

interface Evaluated {
  readonly before: { readonly loss: number }
  readonly test: { readonly loss: number }
  readonly inputs: Readonly<Record<string, string>>
}
const report = (run: string) => w.json(`${run}/run.json`) as unknown as Evaluated
const problems = async (plan: string) => (await w.cli(["validate", plan])).stderr

const first = train(
  planned("first", { method: "lora", from: "bert-regex" }, { optimizer: { kind: "lora-pro", learningRate: 3e-3 } }),
  "runs/first"
)

test("ranks, alphas and targets are the adapter's, and validate shows them", async () => {
  await first
  const { stdout } = await succeed(w.cli(["validate", "first.json"]))
  expect(stdout).toContain(`starts from the adapter of ${w.path("bert-regex")}`)
  expect(stdout).toMatch(/encoder\.layer\.0\.attention\.self\.value {2}32×32 {2}3 {5}5 /)
  const { adapter } = w.json("runs/first/plan.json") as { readonly adapter: Record<string, unknown> }
  expect(adapter).toMatchObject({ from: "../../bert-regex", rank: 4, alpha: 6, scaling: "standard" })
  expect(adapter["targets"]).toHaveLength(6)
  expect(Object.keys(report("runs/first").inputs)).toContain("adapter.from/adapter_model.safetensors")
})

test("ModernBERT's classes differ by a prefix that other models have too: either head begins with an adapter of its classifier", async () => {
  w.model("modernbert")
  cpSync(join(repository, "test", "golden", "models", "modernbert", "adapter"), w.path("given"), { recursive: true })
  for (const pooling of ["mean", "pooler"]) {
    const model = { source: "modernbert", task: { kind: "classification", pooling } }
    await train(
      planned(`modernbert-${pooling}`, { method: "lora", from: "given" }, { model }),
      `runs/modernbert-${pooling}`
    )
    const { adapter } = w.json(`runs/modernbert-${pooling}/plan.json`) as { readonly adapter: Record<string, unknown> }
    expect(adapter["targets"]).toContain("layers.3.attn.Wqkv")
    expect(adapter["targets"]).toHaveLength(16)
  }
})

test("a second stage begins where the first one ended", async () => {
  await first
  await train(planned("second", { method: "lora", from: "runs/first" }), "runs/second")
  expect(report("runs/second").before.loss).toBe(report("runs/first").test.loss)
})

test("the adapter that such a run leaves is a whole one of PEFT: used alone it says what the run says", async () => {
  await first
  const alone = await succeed(
    w.cli(["predict", "runs/first/adapter", "so good", "--base", "bert", "--json", ...onWasm])
  )
  const run = await succeed(w.cli(["predict", "runs/first", "so good", "--json", ...onWasm]))
  const logits = ({ stdout }: { readonly stdout: string }) => Object.values(JSON.parse(stdout).logits as object)
  expect(logits(alone)).toEqual(logits(run))
})

test("a finished run does not need what it began with, and says where that is another one now", async () => {
  await first
  renameSync(w.path("bert-regex"), w.path("moved"))
  const without = await succeed(w.cli(["evaluate", "runs/first", ...onWasm]))
  expect(without.stderr).not.toContain("adapter.from")
  golden("bert-dense")
  cpSync(w.path("bert-dense"), w.path("bert-regex"), { recursive: true })
  const other = await succeed(w.cli(["evaluate", "runs/first", ...onWasm]))
  expect(other.stderr).toMatch(
    /note: adapter\.from\/adapter_model\.safetensors: trained with .*the run started from the earlier version/
  )
  rmSync(w.path("bert-regex"), { recursive: true })
  renameSync(w.path("moved"), w.path("bert-regex"))
})

test("a head that does not fit starts anew, which is said", async () => {
  const two = { ...tinyPlan("bert").data, labels: ["bad", "fair", "good", "other"] }
  const { stderr } = await train(
    planned(
      "four",
      { method: "dora", from: "bert-layers" },
      {
        data: two,
        optimizer: { kind: "adamw", learningRate: 1e-3 }
      }
    ),
    "runs/four"
  )
  expect(stderr).toContain(
    "it has no head for this run, so a new one is initialized (classifier.weight, classifier.bias)"
  )
})

test("what the plan says otherwise than the adapter is told, all at once", async () => {
  const adapter = { method: "lora", from: "bert-regex", rank: 8, targets: ["query"], init: { kind: "pissa" } }
  const said = await problems(planned("otherwise", adapter))
  expect(said).toContain("3 problems")
  expect(said).toContain("adapter.rank: found 8, but the adapter that the run starts from (from: bert-regex) has 4")
  expect(said).toContain('adapter.targets: found ["query"], but the adapter')
  expect(said).toContain('adapter.init: found {"kind":"pissa"}')
  expect(await problems(planned("method", { method: "dora", from: "bert-regex" }))).toContain(
    'adapter.method: found "dora", but the adapter that the run starts from (from: bert-regex) has "lora"'
  )
})

test("an adapter of another model, or none, is told with the plan's other problems", async () => {
  for (const adapter of [{ method: "lora", from: "nowhere" }, { from: "nowhere" }]) {
    const none = await problems(planned("none", adapter, { training: { steps: 0 } }))
    expect(none).toContain("2 problems")
    expect(none).toContain("adapter.from: nowhere: no such folder")
    expect(none).toContain("training.steps: found 0")
  }
  const other = await problems(planned("other", { method: "lora", from: "distilbert-exclude" }))
  expect(other).toContain('found "transformer.layer.0.attention.q_lin", which matches no linear layer of the model')
})
