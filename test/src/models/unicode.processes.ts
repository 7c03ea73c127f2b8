/** 5,000 random texts over all planes of Unicode have the Rust library's tokens, in every kind of tokenizer and in each runtime. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { node, nodeProgram } from "../../runtime/node-program.ts"
import { runtimes } from "../../runtime/runtimes.ts"
import { goldens } from "./golden.ts"
import { unicodeGoldens } from "./unicode-tokens.ts"

const folder = join(goldens, "tokenizers")
const { names, texts, differing } = unicodeGoldens(folder)
const place = mkdtempSync(join(tmpdir(), "unicode-"))
afterAll(() => rmSync(place, { recursive: true }))

test("the texts are of all planes, and the kinds of all parts", () => {
  expect(texts.length).toBe(5_000)
  expect(names.length).toBe(30)
  const characters = [...new Set(texts.join(""))].map((character) => character.codePointAt(0)!)
  expect(new Set(characters.map((character) => character >> 16)).size).toBe(17)
  expect(
    new Set(characters.filter((character) => character < 0x20000).map((character) => character >> 8)).size
  ).toBeGreaterThan(430)
})

test.each(names)("%s", (name) => expect(differing(name)).toEqual([]), 60_000)

const script = join(import.meta.dir, "unicode-program.ts")
const differences = async (command: ReadonlyArray<string>) => {
  const child = Bun.spawn([...command, folder], { cwd: join(goldens, "../.."), stdout: "pipe", stderr: "inherit" })
  const output = await new Response(child.stdout).text()
  expect(await child.exited).toBe(0)
  return JSON.parse(output)
}
const none = Object.fromEntries(names.map((name) => [name, 0]))

const deno = runtimes.find(({ name }) => name === "deno")
test.skipIf(deno === undefined)(
  "in Deno, too",
  async () => expect(await differences([...deno!.command, script])).toEqual(none),
  300_000
)

test.skipIf(node === undefined)(
  "in Node, too",
  async () => {
    const program = await nodeProgram(
      place,
      `import { counts } from ${JSON.stringify(script)}\nif (counts === undefined) throw new Error("nothing")`,
      { withLibrary: false }
    )
    expect(await differences([node!, program])).toEqual(none)
  },
  300_000
)
