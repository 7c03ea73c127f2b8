/** Every program that a page shows is pasted as it stands: all of them compile, and Python's are Python. `commands.processes.ts` runs them. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import { allBlocks, placeOf, repository } from "./pages.ts"
import { blockWith, type Reader, readerOf } from "./reader.ts"

const programs = allBlocks.filter(({ language }) => language === "ts" || language === "js")

const fileOf = ({ page, line, language }: (typeof programs)[number]): string =>
  `${page.replace(/\W/g, "-")}-${line}.${language}`

let reader: Reader
beforeAll(() => {
  reader = readerOf("README.md")
})
afterAll(() => reader.close())

test("all programs of all pages compile, in a clone of the repository", async () => {
  expect(programs.length).toBeGreaterThan(15)
  for (const program of programs) reader.put(fileOf(program), program.text)
  const { page } = programs.find(({ text }) => text.includes("./movies.plan.json"))!
  reader.put("movies.plan.json", blockWith(page, '"source": "node_modules').text)
  // as the page says: the plan's type lies beside it
  const { code: typed, printed: said } = await reader.run("tfjs-lora-pro schema --types movies.plan.json")
  expect({ typed, said }).toMatchObject({ typed: 0 })
  const options = { noUnusedLocals: false, noUnusedParameters: false, moduleDetection: "force" }
  const more = { allowJs: true, checkJs: true, allowArbitraryExtensions: true, rootDir: "/" }
  reader.put(
    "tsconfig.pages.json",
    JSON.stringify({
      extends: join(repository, "tsconfig.json"),
      compilerOptions: { ...options, ...more },
      include: programs.map(fileOf)
    })
  )
  const { code, printed } = await reader.run("node_modules/.bin/tsc -p tsconfig.pages.json --noEmit")
  const wrong = programs.reduce((text, program) => text.replaceAll(fileOf(program), placeOf(program)), printed)
  expect({ code, wrong }).toEqual({ code: 0, wrong: "" })
}, 120_000)

const hasPython = Bun.which("python3") !== null
if (!hasPython) console.warn("there is no python3: what pages show as Python is not parsed")

test.skipIf(!hasPython)("what pages show as Python is Python", async () => {
  const python = allBlocks.filter(({ language }) => language === "python")
  expect(python.length).toBeGreaterThan(2)
  for (const block of python) {
    reader.put("block.py", block.text)
    const parse = "import ast, sys; ast.parse(open('block.py').read())"
    const { code, printed } = await reader.run(`python3 -c "${parse}"`)
    expect({ block: placeOf(block), code, printed }).toEqual({ block: placeOf(block), code: 0, printed: "" })
  }
})
