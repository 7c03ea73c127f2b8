/** Run folders that are taken, damaged, or no runs at all, and how they are refused. */
import { cpSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { jsonLines, onWasm, succeed, tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses, trainings } from "./refusal.ts"

const w = workspace()
w.model("bert")
const { training } = trainings(w)

/** A run that was trained as it should be; then some of it is damaged. */
const damagedRun = async () => {
  w.write("tiny.json", tinyPlan("bert", { model: { source: "bert" }, training: { steps: 1, batchSize: 2 } }))
  await succeed(w.cli(["train", "tiny.json", "--out", "trained", ...onWasm]))
  const copies = ["no-adapter", "cut-adapter", "cut-head", "other-adapter", "other-base", "unfinished", "broken-report"]
  for (const copy of copies) cpSync(w.path("trained"), w.path(copy), { recursive: true })
  for (const lost of ["no-adapter/adapter/adapter_model.safetensors", "unfinished/run.json"]) rmSync(w.path(lost))
  truncateSync(w.path("cut-adapter/adapter/adapter_model.safetensors"), 6000)
  truncateSync(w.path("cut-head/adapter/head.safetensors"), 4)
  w.write("broken-report/run.json", "{}")
  w.write("tiny.json", tinyPlan("bert", { adapter: { method: "lora", rank: 2 }, training: { steps: 1 } }))
  await succeed(w.cli(["train", "tiny.json", "--out", "rank-2", ...onWasm]))
  const tensors = "adapter/adapter_model.safetensors"
  cpSync(w.path(`rank-2/${tensors}`), w.path(`other-adapter/${tensors}`))
  w.model("bert", "other-weights")
  const file = w.path("other-weights/model.safetensors")
  const bytes = w.bytes("other-weights/model.safetensors")
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(file, bytes)
  w.write("other-base/plan.json", w.read("trained/plan.json").replace('"../bert"', '"../other-weights"'))
}
await damagedRun()

const cases: ReadonlyArray<Refusal> = [
  {
    name: "a run folder that exists",
    args: () => training({}, "--out", "trained"),
    says: ["trained", "exists already", "--out"]
  },
  {
    name: "a run folder of the plan that exists",
    args: () => training({ output: { directory: "trained" } }),
    says: ["trained", "exists already", "output.directory"]
  },
  {
    name: "predict with something that is no run",
    args: () => ["predict", "bert", "the film"],
    says: ["bert", "plan.json is missing", "expected the folder of a finished run"]
  },
  {
    name: "generate with a run of labels",
    args: () => ["generate", "trained", "the film"],
    says: ['is of data.format "classification", whose models do not generate text: use predict']
  },
  {
    name: "embed with a run of labels",
    args: () => ["embed", "trained", "the film"],
    says: ['is of data.format "classification", whose models cannot embed texts: use predict']
  },
  {
    name: "evaluate with a flag of written answers",
    args: () => ["evaluate", "trained", "--match", "exact"],
    says: ["found --match without --generate", "add --generate"]
  },
  {
    name: "evaluate with a run that is not there",
    args: () => ["evaluate", "runs/nothing-7"],
    says: ["runs/nothing-7", "expected the folder of a finished run"]
  },
  {
    name: "predict with a run that did not finish",
    args: () => ["predict", "unfinished", "the film"],
    says: ["unfinished", "run.json is missing", "finished run"]
  },
  {
    name: "predict with a report that names no base",
    args: () => ["predict", "broken-report", "the film"],
    says: ["broken-report", "run.json", "base.sha256"]
  },
  {
    name: "predict with no adapter in the run",
    args: () => ["predict", "no-adapter", "the film"],
    says: ["no-adapter", "adapter_model.safetensors", "no such file"]
  },
  {
    name: "predict with an adapter cut short",
    args: () => ["predict", "cut-adapter", "the film"],
    says: ["cut-adapter", "adapter_model.safetensors", "17416 bytes expected, 6000 found"]
  },
  {
    name: "evaluate with a head cut short",
    args: () => ["evaluate", "cut-head"],
    says: ["cut-head", "head.safetensors", "4 bytes"]
  },
  {
    name: "predict with the adapter of another plan",
    args: () => ["predict", "other-adapter", "the film"],
    says: [
      "other-adapter",
      "lora_A.weight",
      "has shape [2,32], expected [4,32]",
      "and 18 more tensors with the same problem"
    ]
  },
  {
    name: "predict over other weights",
    args: () => ["predict", "other-base", "the film"],
    says: ["other-base", "other-weights", "SHA-256", "--base"]
  },
  {
    name: "evaluate over other weights given by --base",
    args: () => ["evaluate", "trained", "--base", "other-weights"],
    says: ["trained", "other-weights", "SHA-256", "--base"]
  },
  {
    name: "predict with a base that is not there",
    args: () => ["predict", "trained", "the film", "--base", "nowhere"],
    says: ["nowhere", "no such"]
  },
  {
    name: "evaluate with rows that are not there",
    args: () => ["evaluate", "trained", "--data", "nowhere.jsonl"],
    says: ["nowhere.jsonl", "no such file"]
  },
  {
    name: "evaluate with a label that the run does not know",
    args: () => {
      w.write("unknown-label.jsonl", jsonLines([{ text: "the film", label: "superb" }]))
      return ["evaluate", "trained", "--data", "unknown-label.jsonl"]
    },
    says: ["unknown-label.jsonl:1", '"superb"', '"bad", "fair", "good"']
  }
]

refuses("run", w, cases)
