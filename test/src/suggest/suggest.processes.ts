/** A suggested plan of a tiny encoder is trained as it was written. */
import { expect, test } from "bun:test"
import { onWasm, succeed, TIMEOUT, workspace } from "../../e2e/fixtures.ts"

const w = workspace()
w.model("bert")

test(
  "the command trains what it wrote",
  async () => {
    const flags = ["--model", "bert", "--data", "train.jsonl", "--test", "test.jsonl"]
    await succeed(w.cli(["suggest", ...flags, "--out", "mine.json"]))
    await succeed(w.cli(["train", "mine.json", "--out", "runs/mine", ...onWasm]))
    const { training } = w.json("mine.json") as { readonly training: { readonly steps: number } }
    expect(w.json("runs/mine/run.json")["steps"]).toBe(training.steps)
  },
  TIMEOUT
)
