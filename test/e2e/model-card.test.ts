/**
 * The Python of a model card, run as it stands: it must give the labels that `predict` gives. One card for every way a head and an
 * adapter are stored.
 *
 * Needs torch, transformers and peft in Python, as peft.test.ts does and announces (REQUIRE_PEFT=1, PYTHON).
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { onWasm, predicted, run, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "./fixtures.ts"

const w = workspace()
const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import torch, transformers, peft"], { cwd: w.directory })
  : null
const possible = imports?.code === 0
if (!possible) {
  if (process.env["REQUIRE_PEFT"] === "1") throw new Error(`REQUIRE_PEFT=1, but ${python} has no PEFT`)
  console.warn(`no PEFT in ${python}: the code of model cards is not run (REQUIRE_PEFT=1 makes that a failure)`)
}

const pooler = { kind: "classification", pooling: "pooler" }
const adamw = { kind: "adamw", learningRate: 2e-2 }
const cases: Record<string, { readonly task?: object; readonly adapter?: object; readonly optimizer?: object }> = {
  "lora-mean": {},
  "lora-pooler": { task: pooler },
  "dora-mean": { adapter: { method: "dora", rank: 4 }, optimizer: adamw },
  "adalora-pooler": { task: pooler, adapter: { method: "adalora", rank: 2 }, optimizer: adamw },
  "full-mean": { adapter: { method: "full" }, optimizer: { ...adamw, learningRate: 5e-3 } },
  "full-pooler": { task: pooler, adapter: { method: "full" }, optimizer: adamw },
  "head-mean": { adapter: { method: "none" }, optimizer: adamw },
  "head-pooler": { task: pooler, adapter: { method: "none" }, optimizer: adamw }
}
const texts = tinyRows(12, 60).map(({ text }) => text)

describe.skipIf(!possible)("the code of a model card gives the labels that predict gives:", () => {
  let answers: Readonly<Record<string, ReadonlyArray<string>>> = {}

  beforeAll(async () => {
    w.model("bert")
    const blocks: Record<string, string> = {}
    for (const [name, { task, ...sections }] of Object.entries(cases)) {
      const training = { steps: 12, batchSize: 6 }
      const plan = tinyPlan("bert", { training, ...sections })
      w.write(`${name}.json`, { ...plan, model: { source: "bert", ...(task ? { task } : {}) } })
      await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
      const code = /```python\n([\s\S]*?)```/.exec(w.read(`runs/${name}/adapter/README.md`))![1]!
      blocks[name] = code.replace('["a text"]', JSON.stringify(texts))
    }
    w.write("blocks.json", blocks)
    const script = [
      "import contextlib, io, json",
      "answers = {}",
      'for name, code in json.load(open("blocks.json")).items():',
      "    out = io.StringIO()",
      "    with contextlib.redirect_stdout(out): exec(code, {})",
      "    answers[name] = eval(out.getvalue())",
      "print(json.dumps(answers))"
    ].join("\n")
    const { stdout } = await succeed(run([python, "-c", script], { cwd: w.directory, env: { HF_HUB_OFFLINE: "1" } }))
    answers = JSON.parse(stdout)
  }, 3 * TIMEOUT)

  for (const name of Object.keys(cases)) {
    test(
      name,
      async () => {
        const here = (await predicted(w, `runs/${name}`, texts)).map(({ label }) => label)
        // a model that says one thing whatever it reads would agree without its adapter
        expect(new Set(here).size).toBeGreaterThan(1)
        expect(answers[name]).toEqual(here as string[])
      },
      TIMEOUT
    )
  }
})
