/**
 * Merged folders of regressions and of several labels in Hugging Face transformers: the class that their config names says what the run says.
 * Where Python has no torch and transformers, nothing is compared (REQUIRE_PEFT=1 makes that a failure; PYTHON names the interpreter).
 */
import { beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import {
  jsonLines,
  jsonObjects,
  onWasm,
  repository,
  run,
  succeed,
  TIMEOUT,
  tinyPlan,
  tinyRows,
  workspace
} from "./fixtures.ts"
import { scoredRows, topicRows } from "./text-kinds.ts"

const w = workspace()
w.model("bert")
const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import torch, transformers, safetensors"], { cwd: w.directory })
  : { code: 127 }
if (imports.code !== 0 && process.env["REQUIRE_PEFT"] === "1") throw new Error(`${python} has no transformers`)

beforeAll(() => {
  w.write("scored.jsonl", jsonLines(scoredRows(24)))
  w.write("topics.jsonl", jsonLines(topicRows(24)))
})

interface Said {
  readonly values?: Readonly<Record<string, number>>
  readonly logits: Readonly<Record<string, number>>
}

const texts = tinyRows(9, 30).map(({ text }) => text)
// float32 through two models: MERGE_BOUND's order of the largest output
const DIGITS = 3

test.skipIf(imports.code !== 0).each([
  ["regression", "pooler", { train: "scored.jsonl", target: ["stars", "words"] }],
  ["regression", "mean", { train: "scored.jsonl", target: "stars" }],
  ["multi-label", "pooler", { train: "topics.jsonl" }],
  ["multi-label", "mean", { train: "topics.jsonl" }]
] as const)(
  "%s over %s",
  async (kind, pooling, data) => {
    const directory = `runs/${kind}-${pooling}`
    const model = { source: "bert", task: { kind, pooling } }
    w.write("plan.json", tinyPlan("bert", { model, data: { format: kind, validation: 0.2, maxLength: 16, ...data } }))
    await succeed(w.cli(["train", "plan.json", "--out", directory, ...onWasm]))
    await succeed(w.cli(["merge", directory, ...onWasm]))
    const said = await succeed(w.cli(["predict", directory, ...texts, "--json", ...onWasm]))
    const expected = (jsonObjects(said.stdout) as unknown as ReadonlyArray<Said>).map(({ values, logits }) =>
      Object.values(values ?? logits)
    )
    const cases = JSON.stringify([{ folder: w.path(`${directory}/merged`), texts, maxLength: 16 }])
    const script = join(repository, "test/e2e/merged_labels.py")
    const { stdout } = await succeed(run([python, script], { cwd: w.directory, stdin: cases }))
    const [{ logits }] = JSON.parse(stdout) as [{ readonly logits: ReadonlyArray<ReadonlyArray<number>> }]
    for (const [i, row] of logits.entries()) {
      for (const [j, value] of row.entries()) expect(value).toBeCloseTo(expected[i]![j]!, DIGITS)
    }
    expect(logits).toHaveLength(texts.length)
  },
  TIMEOUT
)
