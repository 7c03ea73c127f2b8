/** The ways out of a run: the formats of `export` with what keeps this run from each, and the adapter with how it is used. */
import { beforeAll, expect, test } from "bun:test"
import { statSync } from "node:fs"
import { join } from "node:path"
import { formats } from "../../../src/exports/index.ts"
import { exitHandlers } from "../../../src/studio/engine/exits.ts"
import { usesIn } from "../../../src/studio/runs/index.ts"
import { workspace } from "../../e2e/fixtures.ts"
import { onDevice, trainTiny } from "../output/tiny-run.ts"

const w = workspace()
let run: string

beforeAll(async () => {
  w.model("bert")
  run = await trainTiny(w, "plain", "bert")
})

test("every format is a way out, with its options; a run is refused what export refuses it", async () => {
  const [adapter, ...exits] = await onDevice(exitHandlers.calls!.exits!({ id: run }))
  expect(exits.map(({ name }) => name)).toEqual(formats.map(({ name }) => name))
  for (const [i, { says, usedIn, options }] of exits.entries()) {
    expect([says, usedIn]).toEqual([formats[i]!.summary, formats[i]!.usedIn])
    expect(options.map(({ name }) => name)).toEqual(Object.keys(formats[i]!.options))
    for (const { usual, values } of options) expect(usual.filter((value) => !values.includes(value))).toEqual([])
  }
  for (const { name, refused } of exits) {
    const { code, stderr } = await w.cli(["export", run, "--format", name, "--out", `out/${name}`, "--device", "wasm"])
    expect([name, code === 0]).toEqual([name, refused === null])
    if (refused === null) continue
    // a page has no flags
    expect(refused).not.toContain("--")
    const words = stderr.replaceAll(/--format ([\w-]+)/g, (_, to) => formats.find((one) => one.name === to)!.title)
    expect(words).toContain(refused.slice(`${run} `.length))
  }
  expect(exits.filter(({ refused }) => refused !== null).map(({ name }) => name)).toEqual(["gguf", "layers-model"])

  const { there, refused, usedIn } = adapter!
  expect(usedIn).toBe("In Python or TypeScript")
  expect(refused).toBeNull()
  expect(there!.files.map(({ path }) => path)).toContain("adapter/adapter_model.safetensors")
  for (const { path, bytes } of there!.files) expect(statSync(join(run, path)).size).toBe(bytes)
  expect(there!.uses.map(({ language }) => language)).toEqual(["python", "ts"])
  expect(there!.uses[0]!.code).toContain("PeftModel.from_pretrained")
  expect(there!.uses[0]!.title).toStartWith("In Python, with PEFT")
})

test("code is found in Markdown under what introduces it", () => {
  const text = [
    "# Model",
    "",
    "Prose.",
    "",
    "In Python,",
    "with PEFT:",
    "",
    "```python",
    "import peft",
    "",
    "print(1)",
    "```",
    "",
    "## In a page",
    "",
    "```js",
    "// ```",
    "run()",
    "```"
  ].join("\n")
  expect(usesIn(text)).toEqual([
    { title: "In Python, with PEFT", language: "python", code: "import peft\n\nprint(1)" },
    { title: "In a page", language: "js", code: "// ```\nrun()" }
  ])
  expect(usesIn("no code")).toEqual([])
})
