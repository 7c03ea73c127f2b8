/** What a format's options take, and every format of the table. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { chosenOf, ExportRefused } from "../../../src/exports/format.ts"
import type { FormatName } from "../../../src/exports/formats.ts"
import { formatNames, formats } from "../../../src/exports/index.ts"

const format = {
  name: "parcels",
  options: {
    type: { summary: "how it is wrapped", values: ["paper", "cloth", "tin"], usual: ["paper"], several: true },
    size: { summary: "how large it is", values: ["small", "large"], usual: ["small"], several: false }
  }
} as const

describe("options of a format", () => {
  test("are what is usual where nothing is given", () => {
    expect(chosenOf(format, { type: undefined })).toEqual({ type: ["paper"], size: ["small"] })
  })

  test("are what is given, each value once, in its order", () => {
    expect(chosenOf(format, { type: "tin, paper,tin", size: "large" })).toEqual({
      type: ["tin", "paper"],
      size: ["large"]
    })
  })

  test.each([
    [
      { type: "silk" },
      '--type: found "silk"; --format parcels accepts one or more of paper, cloth, tin, comma-separated'
    ],
    [{ type: "" }, '--type: found ""; --format parcels accepts one or more of paper, cloth, tin, comma-separated'],
    [{ size: "small,large" }, "--size: found 2 values; --format parcels accepts one of small, large"],
    [{ colour: "red" }, "--colour: is not an option of --format parcels, which has --type, --size"]
  ])("%j is refused in a sentence", (given, message) => {
    const refused = chosenOf(format, given)
    expect(refused).toBeInstanceOf(ExportRefused)
    expect((refused as ExportRefused).message).toBe(message)
  })
})

test("every format has a name of its own, and its usual values are values of its options", () => {
  expect(new Set(formatNames).size).toBe(formats.length)
  for (const format of formats) expect(chosenOf(format, {})).not.toBeInstanceOf(ExportRefused)
})

/** The tests that give each format's files to what reads them. */
const engines = {
  onnx: ["e2e/onnx.processes.ts", "e2e/onnx-causal.processes.ts", "e2e/onnx-images.processes.ts"],
  gguf: ["long/export-gguf.long.ts", "e2e/export-gguf.test.ts"],
  huggingface: ["e2e/export.processes.ts"],
  "layers-model": ["e2e/export-layers.processes.ts"]
} satisfies { readonly [Name in FormatName]: ReadonlyArray<string> }

test("every format has a test that gives its files to what reads them", () => {
  for (const [name, files] of Object.entries(engines))
    for (const file of files) {
      const text = readFileSync(join(import.meta.dir, "../..", file), "utf8")
      expect([file, text.includes(`"${name}"`)]).toEqual([file, true])
    }
})
