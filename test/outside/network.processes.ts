/** Nothing is connected to unless `hf:`, `--storage postgres://` or a URL in code ask for it: every command works where it cannot. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { cli, onWasm, run, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()
w.model("bert")
const without = (args: ReadonlyArray<string>) =>
  run([process.execPath, "--preload", join(import.meta.dir, "no-network.ts"), cli, ...args], { cwd: w.directory })

test(
  "validate, train, evaluate, predict, merge and doctor",
  async () => {
    w.write("plan.json", tinyPlan("bert"))
    await succeed(without(["validate", "plan.json"]))
    await succeed(without(["train", "plan.json", "--out", "run", ...onWasm]))
    await succeed(without(["evaluate", "run", "--data", "test.jsonl", ...onWasm]))
    await succeed(without(["predict", "run", "the film is good", ...onWasm]))
    await succeed(without(["merge", "run", "--out", "merged", ...onWasm]))
    await succeed(without(["doctor"]))
  },
  TIMEOUT
)

test("the guard sees a connection", async () => {
  w.write("plan.json", tinyPlan("hf:lab/m", { data: { format: "text", train: "rows.jsonl", maxLength: 16 } }))
  const { code, stderr } = await without(["validate", "plan.json"])
  expect(code).toBe(99)
  expect(stderr).toContain("a connection was asked for")
})
