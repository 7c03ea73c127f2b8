/** The architecture as a test: which room may import which, no cycles, no synchronous device reads, nothing undeclared. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { Glob } from "bun"
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import { initFacts, methodFacts, optimizerFacts } from "../schemas/index.ts"
import { planKinds } from "../schemas/run-plan.ts"
import { kinds } from "../src/kinds/index.ts"

const root = join(import.meta.dir, "..")
/** AssemblyScript: another language, which looks like this one */
const assembly = "src/kernels/wasm/assembly/"
const files = ["schemas", "adapters", "src"]
  .flatMap((folder) => [...new Glob(`${folder}/**/*.ts`).scanSync(root)].map((file) => normalize(file)))
  .filter((file) => !file.startsWith(assembly))
const source = (file: string) => readFileSync(join(root, file), "utf8")

// the code as a parser would see it: no comments, then import and export statements and dynamic imports
const code = (file: string): string =>
  source(file)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(^|\s)\/\/.*$/gm, "$1")

const specifiers = (file: string): ReadonlyArray<string> =>
  [...code(file).matchAll(/^(?:import|export)\s(?:[\w\s{},*]*\sfrom\s)?"([^"\n]+)"|\bimport\(\s*"([^"\n]+)"/gm)].map(
    (match) => (match[1] ?? match[2])!
  )

const relativeImports = (file: string): ReadonlyArray<string> =>
  specifiers(file)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(relative(root, join(root, dirname(file), specifier))))

/** Level by folder; a file imports lower levels, its own folder, and (level 3 and up) its own level. */
const levels: ReadonlyArray<readonly [string, number]> = [
  ["schemas/", 0],
  ["src/files/", 0],
  ["src/numbers/", 0],
  ["src/safetensors/", 0],
  ["src/tensors/", 0],
  ["src/linalg/", 0],
  ["src/kernels/", 0],
  ["src/models/", 1],
  ["src/data/", 1],
  ["src/optimizers/", 1],
  ["src/device/", 1],
  ["adapters/", 2],
  ["src/plan/", 3],
  ["src/training/", 3],
  ["src/generation/", 3],
  ["src/output/", 4],
  ["src/layers-model/", 4],
  ["src/suggest/", 4],
  ["src/kinds/", 5],
  ["src/run/", 6],
  ["src/trained/", 7],
  ["src/bin/", 8],
  ["src/", 8]
]
const placeOf = (file: string) => levels.find(([folder]) => file.startsWith(folder))!

test("there is something to check", () => {
  expect(files.length).toBeGreaterThan(60)
  expect(files.flatMap(relativeImports).length).toBeGreaterThan(150)
})

test("every file stands in a room", () => {
  expect(files.filter((file) => placeOf(file) === undefined)).toEqual([])
})

test("imports go down", () => {
  const wrong = files.flatMap((file) => {
    const [folder, level] = placeOf(file)
    return relativeImports(file)
      .filter((imported) => /\.ts$/.test(imported))
      .filter((imported) => {
        const [target, targetLevel] = placeOf(imported)
        if (target === folder) return false
        if (folder === "schemas/") return true
        // level 0 is one layer (schemas excepted), the rooms of level 1 do not know each other
        if (level === 0) return targetLevel !== 0
        return level >= 3 ? targetLevel > level : targetLevel >= level
      })
      .map((imported) => `${file} → ${imported}`)
  })
  // the contract of a model is what adapters and training share
  expect(wrong).toEqual([])
})

test("schemas import effect and nothing else", () => {
  const wrong = files
    .filter((file) => file.startsWith("schemas/"))
    .flatMap((file) =>
      specifiers(file)
        .filter((specifier) => !specifier.startsWith(".") && specifier !== "effect" && !specifier.startsWith("effect/"))
        .map((specifier) => `${file} → ${specifier}`)
    )
  expect(wrong).toEqual([])
})

test("no cycles", () => {
  const state = new Map<string, "open" | "done">()
  const cycles: Array<string> = []
  const visit = (file: string, trail: ReadonlyArray<string>) => {
    if (state.get(file) === "done") return
    if (state.get(file) === "open") {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(" → "))
      return
    }
    state.set(file, "open")
    // a type-only import leaves nothing at run time, but a cycle of types is a cycle of ideas all the same
    for (const imported of relativeImports(file)) if (files.includes(imported)) visit(imported, [...trail, file])
    state.set(file, "done")
  }
  for (const file of files) visit(file, [])
  expect(cycles).toEqual([])
})

test("relative imports name files that exist, with their extension", () => {
  const wrong = files.flatMap((file) =>
    relativeImports(file)
      .filter((imported) => !files.includes(imported) && !/\.(json|cjs|wasm)$/.test(imported))
      .map((imported) => `${file} → ${imported}`)
  )
  expect(wrong).toEqual([])
})

test("all of tfjs is loaded by devices and for LayersModels alone; the rest computes with its core", () => {
  // its layers, converter and backends take 0.1 s to load, which `validate` would pay for nothing
  const whole = files.filter((file) => /^import (?!type\b)[^"]* from "@tensorflow\/tfjs"/m.test(code(file)))
  expect(whole).toContain("src/device/register.ts")
  expect(whole.filter((file) => !/^src\/(device|layers-model)\//.test(file))).toEqual([])
})

test("packages are declared", () => {
  const declared = new Set([
    ...Object.keys(packageJson.dependencies),
    ...Object.keys(packageJson.peerDependencies),
    ...Object.keys(packageJson.optionalDependencies)
  ])
  const wrong = files.flatMap((file) =>
    specifiers(file)
      .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
      .filter(
        (specifier) =>
          !declared.has(
            specifier
              .split("/")
              .slice(0, specifier.startsWith("@") ? 2 : 1)
              .join("/")
          )
      )
      .map((specifier) => `${file} → ${specifier}`)
  )
  expect(wrong).toEqual([])
})

test("no synchronous device reads and no Bun-only API in the sources", () => {
  const wrong = files.flatMap((file) => {
    const found = code(file).match(/\b(dataSync|arraySync)\s*\(|\bBun\.|from "bun(:[a-z]+)?"/g) ?? []
    return found.map((what) => `${file}: ${what}`)
  })
  expect(wrong).toEqual([])
})

test("what a page can load imports nothing of Node", () => {
  const seen = new Set<string>()
  const visit = (file: string): ReadonlyArray<string> => {
    if (seen.has(file) || !files.includes(file)) return []
    seen.add(file)
    // types are gone when a bundler sees it; what a function imports by itself, a page does not ask for
    const values = code(file).replaceAll(/^(import|export) type [^"]*"[^"]*"/gm, "")
    const imported = [
      ...values.matchAll(/^(?:import|export)\s(?:[\w\s{},*]*\sfrom\s)?"([^"\n]+)"|\bimport\(\s*"(\.[^"\n]+)"/gm)
    ]
    return imported.flatMap(([, always, lazily]) => {
      const name = (always ?? lazily)!
      if (name.startsWith("node:")) return [`${file} → ${name}`]
      return name.startsWith(".") ? visit(normalize(join(dirname(file), name))) : []
    })
  }
  expect(visit("src/browser.ts")).toEqual([])
  expect(seen.size).toBeGreaterThan(100)
})

test("a kind of run is known by its name in its folder and in the language of plans alone", async () => {
  const metrics = (await Promise.all(kinds.map((kind) => Effect.runPromise(kind)))).flatMap((kind) =>
    Object.keys(kind.metrics)
  )
  const formats = Object.keys(planKinds).join("|")
  const forbidden = [
    new RegExp(`\\bformat\\b\\)?\\s*[!=]==?\\s*"(${formats})"|"(${formats})"\\s*[!=]==?[^\\n]*\\bformat\\b`, "g"),
    /\bis(Causal|Arrays|Classification)Plan\b|\bisResolved\w+/g,
    new RegExp(`"(${[...new Set(metrics), "confusion", "labels", "origin"].join("|")})" in \\w`, "g"),
    // a name of a metric is a key of a kind's table, wherever else it is used it comes from there
    new RegExp(`\\[\\s*"(${[...new Set(metrics)].filter((name) => name !== "loss").join("|")})"\\s*\\]`, "g")
  ]
  // the three formats of one kind's rows are what data/causal is about
  const own = ["schemas/", "src/kinds/", "src/data/causal/"]
  const wrong = files
    .filter((file) => !own.some((folder) => file.startsWith(folder)))
    .flatMap((file) => forbidden.flatMap((one) => (code(file).match(one) ?? []).map((what) => `${file}: ${what}`)))
  expect(metrics).toContain("perplexity")
  expect(wrong).toEqual([])
})

test("nothing is called utils, common, misc or helpers", () => {
  expect(files.filter((file) => /(utils?|common|misc|helpers?)(\.ts|\/)/.test(file))).toEqual([])
})

const camelCase = (tag: string): string => tag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())

test("a table entry's tag is its file's name", () => {
  for (const { tag } of Object.values(methodFacts)) {
    expect(source(`adapters/${tag}.ts`)).toContain(`export const ${camelCase(tag)}: AdapterMethod<`)
  }
  for (const kind of Object.keys(initFacts)) {
    expect(source(`adapters/init/${kind}.ts`)).toContain(`export const ${camelCase(kind)}: Initializer<`)
  }
  for (const kind of Object.keys(optimizerFacts)) {
    expect(source(`src/optimizers/${kind}.ts`)).toContain(`export const ${camelCase(kind)}Optimizer: Optimizer<`)
  }
  for (const family of ["bert", "distilbert", "roberta"]) {
    expect(source("src/models/index.ts")).toContain(`./${family}.ts`)
  }
})

test("every entry of the exports map is a file", () => {
  for (const target of Object.values(packageJson.exports)) {
    expect(() => readFileSync(join(root, target))).not.toThrow()
  }
})
