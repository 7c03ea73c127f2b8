/** Plans and flags that cannot be meant, and how they are refused. */

import { tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses, trainings } from "./refusal.ts"

const w = workspace()
w.model("bert")
const { training } = trainings(w)

const cases: ReadonlyArray<Refusal> = [
  {
    name: "an unknown key",
    args: () => training({ adapter: { method: "lora", rnak: 4 } }),
    says: ["plan.json", "adapter.rnak", "did you mean", "rank"]
  },
  {
    name: "a misspelt method",
    args: () => training({ adapter: { method: "lorra" } }),
    says: ["plan.json", "adapter.method", '"lorra"', '"lora"', '"full"', '"none"', "did you mean"]
  },
  {
    name: "rank 0",
    args: () => training({ adapter: { method: "lora", rank: 0 } }),
    says: ["plan.json", "adapter.rank", "found 0", "1", "1024"]
  },
  {
    name: "several problems, all of them at once",
    args: () => training({ adapter: { method: "lora", rank: 0, alhpa: 2 }, training: { steps: 2, epochs: 1 } }),
    says: ["adapter.rank", "adapter.alhpa", "alpha"]
  },
  {
    name: "a rank larger than the matrix",
    args: () => training({ adapter: { method: "lora", rank: 33 } }),
    says: ["adapter.rank", "rank 33", "[32, 32]", "at most 32"]
  },
  {
    name: "an override's rank larger than the matrix",
    args: () => training({ adapter: { method: "lora", rank: 4, overrides: [{ targets: ["query"], rank: 40 }] } }),
    says: ["adapter.overrides.0.rank", "rank 40", "[32, 32]", "at most 32"]
  },
  {
    name: "a pattern that matches nothing",
    args: () => training({ adapter: { method: "lora", targets: ["encoder.layer.*.attention.self.qeury"] } }),
    says: ["adapter.targets.0", "qeury", "matches no", "nearest", "encoder.layer.0.attention.self.query"]
  },
  {
    name: "an optimizer that has nothing to move",
    args: () => training({ adapter: { method: "full" } }),
    says: ["optimizer.kind", '"lora-pro"', '"full"', "adamw", 'adapter.method "lora"']
  },
  {
    name: "a plan that is not JSON",
    args: () => {
      w.write("plan.json", '{\n  "seed": 1,\n  "model" "bert"\n}\n')
      return ["train", "plan.json"]
    },
    says: ["plan.json:3:11", "not JSON", 'expected ":"']
  },
  {
    name: "a plan that is not there",
    args: () => {
      w.write("tiny-plan.json", tinyPlan("bert"))
      return ["train", "tiny-paln.json"]
    },
    says: ["tiny-paln.json", "no such file", "expected a plan", "did you mean tiny-plan.json"]
  },
  {
    name: "a plan that is a folder",
    args: () => ["train", "bert"],
    says: ["bert", "cannot be read", "expected a plan"]
  },
  {
    name: "--set with no value",
    args: () => training({}, "--set", "adapter.rank"),
    says: ["--set adapter.rank", "no value", "path=value"]
  },
  {
    name: "--set with a path that no plan has",
    args: () => training({}, "--set", "adapter.runk=4"),
    says: ["adapter.runk", "did you mean", "rank"]
  },
  {
    name: "an unknown flag",
    args: () => training({}, "--stpes", "4"),
    says: ["--stpes"],
    helps: true
  },
  {
    name: "a device that does not exist",
    args: () => training({}, "--device", "cuda"),
    says: ["device", "cuda", "webgpu", "wasm", "cpu"],
    helps: true
  },
  {
    name: "no threads",
    args: () => training({}, "--threads", "0"),
    says: ["--threads", '"0"', "an integer of at least 1"],
    helps: true
  }
]

refuses("plan", w, cases)
