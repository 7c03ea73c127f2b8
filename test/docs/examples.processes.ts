/**
 * The examples in docstrings: every one compiles as a module of its own, with the names that it imports, and its module loads and runs to
 * its end where it waits for nothing, and prints the results in its comments.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import ownPackage from "../../package.json" with { type: "json" }
import { marked, othersThanShown, resultsIn, strayIn } from "./results.ts"

const repository = join(import.meta.dir, "..", "..")
/** In the package, so that `tfjs-lora-pro/…` is itself; ignored by git. */
const folder = join(import.meta.dir, `examples.tmp-${process.pid}`)

interface Example {
  /** the source file and the line of its @example */
  readonly where: string
  readonly file: string
  readonly code: string
}

const examplesIn = (file: string): ReadonlyArray<Example> => {
  const source = readFileSync(join(repository, file), "utf8")
  return [...source.matchAll(/^ *\/\*\*(?:(?!\*\/)[\s\S])*?\*\//gm)].flatMap(({ 0: comment, index }) => {
    const first = source.slice(0, index).split("\n").length
    const lines = comment.replace(/\*\/$/, "").split("\n")
    const found: Array<Example> = []
    let begun: { readonly line: number; readonly code: Array<string> } | undefined
    const end = () => {
      if (begun !== undefined)
        found.push({ where: `${file}:${first + begun.line}`, file, code: begun.code.join("\n").trim() })
      begun = undefined
    }
    for (const [line, text] of lines.entries()) {
      const bare = text.replace(/^ *(\/\*\*|\*) ?/, "")
      if (/^@\w+/.test(bare)) end()
      if (bare.startsWith("@example")) begun = { line, code: [bare.slice("@example".length)] }
      else begun?.code.push(bare)
    }
    end()
    return found
  })
}

const examples = ["schemas", "adapters", "src"]
  .flatMap((room) => [...new Bun.Glob(`${room}/**/*.ts`).scanSync(repository)].sort())
  .flatMap(examplesIn)

const nameOf = (index: number): string => `example-${index}.ts`

/** As a module: what is imported from a file beside the source is found there. */
const moduleOf = ({ file, code }: Example): string =>
  `${code.replace(/(from |import\()"(\.[^"]*)"/g, (_, before: string, path: string) => {
    const beside = relative(folder, join(repository, dirname(file), path))
    return `${before}"${path.endsWith(".plan.json") ? path : beside}"`
  })}\nexport {}\n`

const tsconfig = {
  extends: "../../../tsconfig.json",
  compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
  // the type of imported plans
  include: ["*.ts", "../../../src/plugin/plan-files.ts"]
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const [index, example] of examples.entries())
    writeFileSync(join(folder, nameOf(index)), marked(moduleOf(example), "ts", nameOf(index)))
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** An error's line as one of the docstring's. */
const inSource = (line: string): string =>
  line.replace(/^.*?example-(\d+)\.ts\((\d+),\d+\)/, (_, index: string, at: string) => {
    const [file, first] = examples[Number(index)]!.where.split(":")
    return `${file}:${Number(first) + Number(at)}`
  })

describe("the examples of docstrings", () => {
  test("are there, in every entry that has something to show", () => {
    expect(examples.length).toBeGreaterThan(50)
    const imported = new Set(
      examples.flatMap(({ code }) => [...code.matchAll(/from "(tfjs-lora-pro[^"]*)"/g)].map(([, name]) => name!))
    )
    const entries = Object.entries(ownPackage.exports)
      // plan-files is types alone
      .filter(([entry, file]) => file.endsWith(".ts") && entry !== "./plan-files")
      .map(([entry]) => entry.replace(/^\./, ownPackage.name))
    expect(entries.filter((entry) => !imported.has(entry))).toEqual([])
  })

  test("compile", () => {
    const { stdout } = spawnSync("bunx", ["tsc", "--noEmit", "-p", join(folder, "tsconfig.json")], {
      cwd: repository,
      encoding: "utf8"
    })
    expect(
      stdout
        .split("\n")
        .filter((line) => line.includes("error"))
        .map(inSource)
    ).toEqual([])
  })

  const waits = ({ code }: Example): boolean => /^(?:const .*= |export .*= )?await\b|\.plan\.json"/m.test(code)

  test("show results where they print them and are run", () => {
    const stray = examples.flatMap((example) =>
      [...strayIn(example.code, "ts"), ...(waits(example) ? resultsIn(example.code, "ts") : [])].map(
        ({ text }) => `${example.where}: ${text}`
      )
    )
    expect(stray).toEqual([])
    expect(examples.flatMap(({ code }) => resultsIn(code, "ts")).length).toBeGreaterThan(2)
  })

  test("run, where they wait for nothing, and print what they show", () => {
    const ready = examples.flatMap((example, index) => (waits(example) ? [] : [nameOf(index)]))
    expect(ready.length).toBeGreaterThan(40)
    const program = `${ready.map((name) => `await import("./${name}").catch((cause) => console.error("${name}", cause))`).join("\n")}\nprocess.exit(0)\n`
    writeFileSync(join(folder, "all.ts"), program)
    const run = spawnSync(process.execPath, ["run", "all.ts"], { cwd: folder, encoding: "utf8" })
    expect([run.status, run.stderr]).toEqual([0, ""])
    const wrong = examples.flatMap(({ where, code }, index) =>
      othersThanShown(code, "ts", run.stdout, { place: nameOf(index) }).map((problem) => `${where} ${problem}`)
    )
    expect(wrong).toEqual([])
  })
})
