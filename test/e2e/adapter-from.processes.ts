/** Runs of language models that begin with an adapter: a second stage, and preference, whose reference it is. */
import { expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { decoder, preferencePlan, preferences, writePreferences } from "./causal-workspace.ts"
import { jsonLines, jsonObjects, onWasm, repository, succeed, workspace } from "./fixtures.ts"

const w = workspace()
cpSync(join(repository, "test", "golden", "peft", "llama-dora"), w.path("llama-dora"), { recursive: true })

const train = (plan: string, out: string) => succeed(w.cli(["train", plan, "--out", out, ...onWasm]))

interface Evaluated {
  readonly before: { readonly loss: number }
  readonly test: { readonly loss: number }
}
const report = (run: string) => w.json(`${run}/run.json`) as unknown as Evaluated

test("a second stage of a model whose output layer is its embedding, with the embedding trained", async () => {
  decoder(w, "llama-tied")
  w.write("text-train.jsonl", jsonLines([{ text: "snow is white ." }, { text: "what colour is grass ?" }]))
  const data = { format: "text", train: "text-train.jsonl", test: "text-train.jsonl", maxLength: 16 }
  const stage = (name: string, adapter: object) =>
    w.write(`${name}.json`, {
      ...preferencePlan("llama-tied", { data, adapter, training: { steps: 1, batchSize: 2 } })
    })
  await train(stage("tied", { method: "lora", rank: 2, modulesToSave: ["embed_tokens"] }), "runs/tied")
  await train(stage("tied-second", { method: "lora", from: "runs/tied" }), "runs/tied-second")
  expect(report("runs/tied-second").before.loss).toBe(report("runs/tied").test.loss)
})

test("preference trains without the dropout of the adapter that training started from, unless the plan has one", async () => {
  decoder(w, "llama")
  writePreferences(w)
  cpSync(w.path("llama-dora"), w.path("dropping"), { recursive: true })
  w.write("dropping/adapter_config.json", { ...w.json("dropping/adapter_config.json"), lora_dropout: 0.4 })
  const firstLoss = async (name: string, kind: string, adapter: object) => {
    const plan = preferencePlan("llama", {
      adapter: { method: "dora", from: "dropping", ...adapter },
      optimizer: { kind: "adamw", learningRate: 1e-3 },
      loss: { kind },
      training: { steps: 1, batchSize: 4 }
    })
    await train(w.write(`${name}.json`, plan), `runs/${name}`)
    const rows = jsonObjects(w.read(`runs/${name}/metrics.jsonl`))
    return rows.find((row) => row["kind"] === "step")?.["loss"] as number
  }
  expect(await firstLoss("without", "dpo", {})).toBeCloseTo(Math.LN2, 6)
  expect((w.json("runs/without/plan.json") as { readonly adapter: object }).adapter).toMatchObject({ dropout: 0 })
  expect(Math.abs((await firstLoss("own", "dpo", { dropout: 0.4 })) - Math.LN2)).toBeGreaterThan(1e-3)
  expect(await firstLoss("orpo", "orpo", {})).toBe(await firstLoss("orpo-none", "orpo", { dropout: 0 }))
  // other kinds continue with it, as PEFT does
  const data = { format: "text", train: "dropped.jsonl", maxLength: 16 }
  w.write("dropped.jsonl", jsonLines([{ text: "snow is white ." }]))
  const other = preferencePlan("llama", { data, adapter: { from: "dropping" }, training: { steps: 1, batchSize: 1 } })
  const { optimizer: _, ...rest } = other
  w.write("other.json", { ...rest, optimizer: { kind: "adamw", learningRate: 1e-3 } })
  await train("other.json", "runs/other")
  expect((w.json("runs/other/plan.json") as { readonly adapter: object }).adapter).toMatchObject({ dropout: 0.4 })
})

test("preference after another stage: the reference is the adapter that training started from, so the first loss is ln 2", async () => {
  decoder(w, "llama")
  w.write("preference-train.jsonl", jsonLines(preferences(8)))
  w.write("preference-validation.jsonl", jsonLines(preferences(4, 8)))
  w.write("preference-test.jsonl", jsonLines(preferences(4, 12)))
  const plan = preferencePlan("llama", {
    adapter: { method: "dora", from: "llama-dora" },
    optimizer: { kind: "adamw", learningRate: 1e-3 },
    loss: { kind: "dpo" },
    training: { steps: 2, batchSize: 4 }
  })
  await train(w.write("preference.json", plan), "runs/preference")
  // the two are the same numbers, added up in the same order
  expect(report("runs/preference").before.loss).toBeCloseTo(Math.LN2, 6)
  const { stdout } = await succeed(w.cli(["evaluate", "runs/preference", "--json", ...onWasm]))
  const after = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .find(({ split }) => split === "test")
  expect(after.loss).toBe(report("runs/preference").test.loss)
})
