/** The architecture as a test: which room may import which, no cycles, no synchronous device reads, nothing undeclared. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { Glob } from "bun"
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import { initFacts, methodFacts, optimizerFacts } from "../schemas/index.ts"
import { planKinds } from "../schemas/kinds/index.ts"
import { kinds } from "../src/kinds/index.ts"

const root = join(import.meta.dir, "..")
const files = ["schemas", "adapters", "src"].flatMap((folder) =>
  [...new Glob(`${folder}/**/*.{ts,tsx}`).scanSync(root)].map((file) => normalize(file))
)
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

/**
 * Every room and its level. A room imports rooms of lower levels alone, so that rooms of one level do not know each other, and enters
 * them by a door: an `index.ts`, or one of the doors below. The files of `src/` itself are the package's entries, and each is a door.
 * Families of kinds are rooms inside their room.
 */
const rooms: Readonly<Record<string, number>> = {
  "src/boundary": 0,
  "src/ffi": 0,
  schemas: 1,
  "src/files": 1,
  "src/numbers": 0,
  "src/progress": 0,
  "src/patterns": 1,
  "src/ranks": 1,
  "src/images": 2,
  "src/safetensors": 2,
  "src/hub": 2.5,
  "src/tensors": 2,
  "src/linalg": 2,
  "src/kernels": 3,
  "src/data": 3,
  "src/device": 4,
  "src/models": 4,
  "src/optimizers": 4,
  adapters: 5,
  "src/constraint": 5,
  "src/peft": 6,
  "src/training": 6,
  "src/generation": 6,
  "src/calls": 6,
  "src/scoring": 6,
  "src/plan": 7,
  "src/output": 8,
  "src/suggest": 8,
  "src/layers-model": 9,
  "src/doctor": 9,
  "src/kinds/contract": 10,
  "src/kinds/rows": 10.1,
  "src/kinds/encoder": 10.2,
  "src/kinds/language": 10.2,
  "src/kinds/images": 10.3,
  "src/kinds/layers": 10.4,
  "src/kinds": 10.5,
  "src/run": 11,
  "src/compare": 11,
  "src/trained": 12,
  "src/exports": 13,
  src: 14,
  "src/plugin": 15,
  "src/serve": 15,
  "src/studio": 16,
  "src/bin": 17
}
const entries = ["src/browser.ts", "src/index.ts", "src/platform.ts", "src/train.ts"]
/** Doors beside a room's index, each for those who must not load the rest of the room. */
const sideDoors: Readonly<Record<string, string>> = {
  "src/data/languages.ts": "the platform's layer, before any command is loaded",
  "src/device/device.ts": "what a run asks of a device; a page opens its own",
  "src/device/precision.ts": "a run that computes in bfloat16, and loads it then",
  "src/device/browser.ts": "a page has no Bun and no Deno",
  "src/device/bun.ts": "the Bun plugin, which knows its runtime",
  "src/files/platform-reason.ts": "what every command says of a full device, before any file is read",
  "src/hub/hub.ts": "what is asked of the Hub; a page has none, and never loads what fetches",
  "src/linalg/truncated-svd.ts": "a page, for which an init loads it when it starts from a decomposition",
  "src/output/adapter-folder.ts": "a page writes adapters and has no run folders",
  "src/output/report/chart.ts": "the studio's page, which draws what reports draw",
  "src/output/report/gain-view.ts": "the studio's page, which shows what a run gained as reports do",
  "src/output/report/tokens.ts": "the build of the studio's page, which has the colours and sizes of reports",
  "src/output/outcome.ts": "a page, which says how a run ended and has no run folders",
  "src/output/peft/layout.ts": "the same, for a LayersModel's adapter",
  "src/output/peft/start-from.ts": "a page, for which a plan loads it when its adapter.from names one",
  "src/output/invocation.ts": "a command's first line",
  "src/run/progress.ts": "a page, which publishes no run",
  "src/run/train-in-memory.ts": "a page, which publishes no run",
  "src/training/course.ts": "a page, which loads with a run what is said of one that learns nothing",
  "src/kinds/encoder/kind.ts": "models of images, which are encoders of patches",
  "src/kinds/encoder/resolve.ts": "models of images, whose blocks take the memory of an encoder's",
  "src/kinds/encoder/suggest.ts": "models of images, of which nothing else was measured",
  "src/kinds/encoder/embedding/run.ts": "a folder that is no run, to embed with",
  "src/kinds/language/seq2seq/run.ts": "a folder that is no run, to write with",
  "src/scoring/programs/confined.ts": "commands and programs, which start processes; a page starts none",
  "src/compare/parent-watch.ts": "every process watches its parent, before any command is loaded",
  "src/suggest/columns.ts": "the flags of a command, before it is loaded",
  "src/compare/methods.ts": "the flags of a command, before it is loaded",
  "src/exports/formats.ts": "the flags of a command, before it is loaded",
  "src/serve/secrets.ts": "the studio, which has a token of its own to compare",
  "src/plugin/plan-types.ts": "the schema command, which writes types and installs nothing"
}
const folderOf = (file: string) =>
  file.startsWith("src/") ? file.split("/").slice(0, 2).join("/") : file.slice(0, file.indexOf("/"))
const roomOf = (file: string) => {
  if (entries.includes(file)) return "src"
  const inner = file.split("/").slice(0, 3).join("/")
  return inner in rooms ? inner : folderOf(file)
}
/** Rooms without an index, whose files are all doors, since each is for other importers. */
const openRooms: Readonly<Record<string, string>> = {
  "src/kinds/contract": "what a plan means is read without what trains it, and both without what is published",
  "src/kinds/rows": "a kind loads what its rows are, and nothing of others"
}
/** What is built into files of the package, and so needs no package beside it there. */
const isBuilt = (file: string) => file.startsWith("src/studio/page/")
const isDoor = (file: string) =>
  entries.includes(file) || file.endsWith("/index.ts") || file in sideDoors || roomOf(file) in openRooms

/** The imports that lead from one room into another. */
const crossings = files.flatMap((file) =>
  relativeImports(file)
    .filter((imported) => /\.tsx?$/.test(imported) && roomOf(imported) !== roomOf(file))
    .map((imported) => ({ from: file, to: imported, text: `${file} → ${imported}` }))
)

test("there is something to check", () => {
  expect(files.length).toBeGreaterThan(300)
  expect(crossings.length).toBeGreaterThan(500)
})

test("every file is in a room, and every room has files", () => {
  expect(files.filter((file) => rooms[roomOf(file)] === undefined)).toEqual([])
  expect(Object.keys(rooms).filter((room) => !files.some((file) => roomOf(file) === room))).toEqual([])
})

test("imports go down", () => {
  const up = crossings.filter(({ from, to }) => rooms[roomOf(to)]! >= rooms[roomOf(from)]!)
  expect(up.map(({ text }) => text)).toEqual([])
})

test("a room is entered by its door, and every side door is in use", () => {
  expect(crossings.filter(({ to }) => !isDoor(to)).map(({ text }) => text)).toEqual([])
  expect(Object.keys(sideDoors).filter((door) => !crossings.some(({ to }) => to === door))).toEqual([])
})

test("schemas import effect, the boundary and nothing else", () => {
  const wrong = files
    .filter((file) => file.startsWith("schemas/"))
    .flatMap((file) =>
      specifiers(file)
        .filter(
          (specifier) =>
            !/^\.\.?\/[a-z\d-]+\.ts$|^\.\/kinds\/|^\.\.\/src\/boundary\/index\.ts$|^effect($|\/)/.test(specifier)
        )
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
      .filter((imported) => !files.includes(imported) && !/\.(json|cjs|wasm|css)$/.test(imported))
      .map((imported) => `${file} → ${imported}`)
  )
  expect(wrong).toEqual([])
})

test("all of tfjs is loaded nowhere, its layers when a LayersModel is there, its backends by devices", () => {
  // a package that is not installed: 250 MB
  expect(files.filter((file) => /"@tensorflow\/tfjs"/.test(code(file)))).toEqual([])
  const loading = (pattern: RegExp) => files.filter((file) => pattern.test(code(file)))
  // what a build replaces by modules that the package includes
  expect(loading(/^(?:import|export \*)(?! type)[^"(]*"@tensorflow\/tfjs-layers"/m).toSorted()).toEqual([
    "src/device/gradients.ts",
    "src/models/layers-model/included-layers.ts"
  ])
  const onDemand = loading(/(?<!typeof )import\("@tensorflow\/tfjs-layers"\)/)
  expect(onDemand).toContain("src/models/layers-model/model-files.ts")
  expect(onDemand.filter((file) => !/^src\/(models\/)?layers-model\//.test(file))).toEqual([])
  const backends = loading(/"@tensorflow\/tfjs-backend-/)
  expect(backends).toContain("src/device/register.ts")
  expect(backends.filter((file) => !/^src\/(device|kernels)\//.test(file))).toEqual([
    "src/models/layers-model/model-files.ts"
  ])
})

test("packages are declared", () => {
  const declared = new Set([...Object.keys(packageJson.dependencies), ...Object.keys(packageJson.peerDependencies)])
  const built = new Set(Object.keys(packageJson.devDependencies))
  const wrong = files.flatMap((file) =>
    specifiers(file)
      .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
      .filter(
        (specifier) =>
          !(isBuilt(file) ? declared.union(built) : declared).has(
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

test("C functions are called through one room", () => {
  const callers = files.filter((file) => /bun:ffi|\bdlopen\(|"koffi"/.test(code(file)))
  expect(callers.filter((file) => !file.startsWith("src/ffi/"))).toEqual([
    "src/device/native-stderr.ts", // opens the library as a module of Node, whose functions are not C's
    "src/ranks/mpi/system.ts" // calls the system's own
  ])
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
  // the studio as static files
  expect(visit("src/train.ts")).toEqual([])
  expect(visit("src/studio/engine/index.ts")).toEqual([])
  expect(visit("src/studio/runs/index.ts")).toEqual([])
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
    // AltLoRA and AltLoRA+ are one transform
    const folder = kind === "altlora-plus" ? "altlora" : kind
    expect(source(`src/optimizers/${folder}/index.ts`)).toContain(
      `export const ${camelCase(kind)}Optimizer: Optimizer<`
    )
  }
  for (const family of ["bert", "distilbert", "modernbert", "roberta"]) {
    expect(source("src/models/index.ts")).toContain(`./${family}.ts`)
  }
})

test("every entry of the exports map is a file", () => {
  for (const target of Object.values(packageJson.exports)) {
    expect(() => readFileSync(join(root, target))).not.toThrow()
  }
})

test("every command is a script of the package, as hints in a clone name it", () => {
  const commands = [...code("src/bin/main.ts").matchAll(/\n {4}command\("(\w+)"/g)].map(([, name]) => name!)
  expect(commands.length).toBeGreaterThan(11)
  expect(commands.filter((name) => !Object.hasOwn(packageJson.scripts, name))).toEqual([])
})
