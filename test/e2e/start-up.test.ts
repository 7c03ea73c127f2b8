/**
 * What a command loads before it does anything, by the modules in its process: times depend on the machine, modules do not.
 * `bench/start-up.bench.ts` has the times.
 */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"

const root = realpathSync(join(import.meta.dir, "..", ".."))
const folder = mkdtempSync(join(tmpdir(), "start-up-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** The modules of a command's process: our own from the root, packages' as "effect/dist/Schema.js". */
const loadedBy = (
  args: ReadonlyArray<string>
): { readonly modules: ReadonlyArray<string>; readonly output: string } => {
  const file = join(folder, "modules")
  const { stdout, stderr } = Bun.spawnSync({
    cmd: [process.execPath, "--preload", "./test/e2e/loaded-modules.ts", "src/bin/tfjs-lora-pro.ts", ...args],
    cwd: root,
    env: { ...process.env, LOADED_MODULES: file }
  })
  const modules = readFileSync(file, "utf8")
    .split("\n")
    .map((path) => path.split("/node_modules/").at(1) ?? relative(root, path))
  return { modules, output: `${stdout}${stderr}` }
}

/** What a command's flags and its help need of this package, and the services that `platform` provides, which load what they do when asked. */
const commandLine =
  /^(src\/bin\/(tfjs-lora-pro|main|flags|user-error|output|colour)\.ts|src\/boundary\/\w+\.ts|src\/files\/platform-reason\.ts|src\/platform\.ts|src\/hub\/(index|hub|cached-hub)\.ts|src\/data\/languages\.ts|src\/compare\/parent-watch\.ts|src\/suggest\/columns\.ts|src\/exports\/(format|formats|gguf\/options)\.ts|package\.json)$/

const isOurs = (module: string): boolean => /^(src|schemas|adapters)\/|^package\.json$/.test(module)

test.each([
  [["--help"], "SUBCOMMANDS"],
  [["--version"], "0.1.0"],
  [["trian"], "Did you mean this?"],
  [["train", "--help"], "--resume RUN"],
  [["suggest", "--help"], "--memory MB"],
  [["validate", "--jsn", "x.json"], "--json"]
] as const)("%p loads the command line alone", (args, says) => {
  const { modules, output } = loadedBy(args)
  expect(output).toContain(says)
  expect(modules).toContain("src/bin/flags.ts")
  expect(modules.filter((module) => isOurs(module) && !commandLine.test(module))).toEqual([])
  expect(modules.filter((module) => module.startsWith("@tensorflow/"))).toEqual([])
  // effect's command line takes 200; its barrel has 600
  expect(modules.length).toBeLessThan(260)
})

test("compare says which methods there are, and loads them for it", () => {
  const { modules, output } = loadedBy(["compare", "--help"])
  expect(output).toContain("of none, full, lora, rslora")
  expect(modules).not.toContain("src/bin/compare.ts")
})

test("schema loads the language of plans, and no model", () => {
  const { modules, output } = loadedBy(["schema"])
  expect(output).toContain('"$defs"')
  const rooms = new Set(
    modules
      .filter((module) => isOurs(module) && !commandLine.test(module))
      .map((module) => module.replace(/\/[^/]*$/, ""))
  )
  expect(
    [...rooms].filter((room) => /^adapters|^src\/(models|plan|kinds|data|kernels|tensors|training)/.test(room))
  ).toEqual([])
})

test("validate loads what a plan is checked with: nothing of tfjs but its core, and nothing that trains or uses a run", () => {
  const { modules, output } = loadedBy(["validate", "examples/plans/movies-lora-pro-full.json"])
  expect(output).toContain("trainable  332,546 of 14,658,434")
  expect(modules).toContain("src/bin/validate.ts")
  const tfjs = new Set(
    modules.filter((module) => module.startsWith("@tensorflow/")).map((module) => module.split("/")[1])
  )
  expect([...tfjs]).toEqual(["tfjs-core"])
  const unneeded =
    /^src\/(train\.ts|run|trained|compare\/index|doctor|output|device|layers-model|generation|kinds\/(arrays|causal))/
  expect(modules.filter((module) => unneeded.test(module))).toEqual([])
})
