/** `preload = ["tfjs-lora-pro/bun"]` in somebody's project: plans are imported as checked values, with types of their own. */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { methodFacts } from "../../schemas/index.ts"
import { run, succeed, workspace } from "../e2e/fixtures.ts"
import { installInto, repository } from "./consumer.ts"
import { expectPlain, tinyProject, trainsItsImportedPlan, writeBunProject, writePlain } from "./projects.ts"

const w = workspace()
beforeAll(() => {
  tinyProject(w)
  writeBunProject(w)
  installInto(w.directory)
}, 180_000)

const bun = (...args: ReadonlyArray<string>) => run([process.execPath, ...args], { cwd: w.directory })

describe("an imported plan", () => {
  test("is the decoded one: every default filled in, inputs absolute, with its name and its file", async () => {
    w.write(
      "say.ts",
      `import plan, { file, name } from "./tiny.plan.json"\nconsole.log(JSON.stringify([plan, file, name]))`
    )
    const [plan, file, name] = JSON.parse((await succeed(bun("say.ts"))).stdout)
    expect({ file, name }).toEqual({ file: w.path("tiny.plan.json"), name: "tiny.plan" })
    expect(plan).toMatchObject({
      model: { source: w.path("bert") },
      data: { train: w.path("train.jsonl"), labels: ["bad", "fair", "good"] },
      adapter: { method: "lora", rank: 4, dropout: 0, init: { kind: "kaiming" } },
      optimizer: { kind: "lora-pro", form: "full", betas: [0.9, 0.999] }
    })
  })

  test("is trained and asked, in eight lines", () => trainsItsImportedPlan(w))

  test("that is wrong fails where it is imported: every problem, the file as one names it, and no source around it", async () => {
    w.write("wrong.plan.json", { ...w.json("tiny.plan.json"), adapter: { method: "lora", rank: 0, rnk: 4 } })
    w.write("wrong.ts", `import plan from "./wrong.plan.json"\nconsole.log(plan)`)
    const { code, stdout, stderr } = await bun("wrong.ts")
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    const said = stderr.trimEnd().split("\n")
    expect(said.slice(0, 3)).toEqual([
      "PlanError: wrong.plan.json: 2 problems",
      expect.stringMatching(/^ {2}adapter\.rnk: unknown key; did you mean "rank"\?/),
      "  adapter.rank: found 0; expected an integer from 1 to 1024"
    ])
    // Bun's own name and version, and nothing else
    expect(said.slice(3)).toEqual(["", expect.stringMatching(/^Bun v/)])
  })

  test("that is not JSON is told by line and column", async () => {
    w.write("broken.plan.json", '{\n  "seed" 1\n}')
    w.write("broken.ts", `import plan from "./broken.plan.json"\nconsole.log(plan)`)
    const { code, stderr } = await bun("broken.ts")
    expect(code).toBe(1)
    expect(stderr).toStartWith('PlanFileError: broken.plan.json:2:10: not JSON: found "1"; expected ":"')
  })

  test("can be imported later, caught, and used in bun test", async () => {
    w.write(
      "plan.test.ts",
      `import { expect, test } from "bun:test"
import plan, { name } from "./tiny.plan.json"
test("right", () => expect([plan.adapter.method, name]).toEqual(["lora", "tiny.plan"]))
test("wrong", () => expect(import("./wrong.plan.json")).rejects.toThrow("adapter.rank: found 0"))`
    )
    w.write("wrong.plan.json", { ...w.json("tiny.plan.json"), adapter: { method: "lora", rank: 0 } })
    const { code, stderr } = await bun("test", "plan.test.ts")
    expect(stderr).toContain(" 2 pass")
    expect(code).toBe(0)
  })

  test("goes into a bundle, whose making fails with a wrong one", async () => {
    w.write("say.ts", `import plan, { name } from "./tiny.plan.json"\nconsole.log(plan.adapter.rank, name)`)
    w.write("wrong.plan.json", { ...w.json("tiny.plan.json"), seed: -1 })
    w.write("bad.ts", `import plan from "./wrong.plan.json"\nconsole.log(plan)`)
    w.write(
      "bundle.ts",
      `import { planLoader } from "tfjs-lora-pro/bun"
const build = (entry: string, outdir?: string) => Bun.build({ entrypoints: [entry], outdir, target: "bun", plugins: [planLoader] })
console.log((await build("./say.ts", "out")).success)
console.log(await build("./bad.ts").catch((error) => error.errors.map((e: Error) => e.message).join()))`
    )
    const { stdout } = await succeed(bun("bundle.ts"))
    expect(stdout).toBe("true\nwrong.plan.json: 1 problem\n  seed: found -1; expected an integer of at least 0\n")
    // without the plugin, and without the plan's own file
    w.write("elsewhere/bunfig.toml", "")
    const there = await run([process.execPath, w.path("out/say.js")], { cwd: w.path("elsewhere") })
    expect(there).toEqual({ code: 0, stdout: "4 tiny.plan\n", stderr: "" })
  })
})

test("a program without Effect has a device for the whole process, which ends all the same", async () => {
  expectPlain(await bun(writePlain(w, "bun")), /^bun /)
})

describe("types", () => {
  const typed = `import { resolve, train } from "tfjs-lora-pro"
import { auto, planLoader } from "tfjs-lora-pro/bun"
import plan, { file, name } from "./tiny.plan.json"
export const method: "lora" = plan.adapter.method
export const labels: readonly ["bad", "fair", "good"] = plan.data.labels
export const steps: 4 = plan.training.steps
export const called: "tiny.plan" = name
export const source: string = plan.model.source
export const resolved = resolve(plan, name)
export const bundle = () => Bun.build({ entrypoints: [file], plugins: [planLoader] })
export { auto, train }
`
  const pattern = `import { resolve } from "tfjs-lora-pro"
import plan, { name } from "./tiny.plan.json"
export const method: ${Object.keys(methodFacts)
    .map((tag) => JSON.stringify(tag))
    .join(" | ")} = plan.adapter.method
export const resolved = resolve(plan, name)
// @ts-expect-error: of a pattern it is not known which method the plan has
export const lora: "lora" = plan.adapter.method
`
  /** What tsc says of one file, beside nothing but the package's types and the given options. */
  const tsc = async (text: string, options: Record<string, unknown>) => {
    w.write("typed.ts", text)
    const compilerOptions = { strict: true, noEmit: true, target: "ESNext", lib: ["ESNext", "DOM"], skipLibCheck: true }
    w.write("tsconfig.json", { compilerOptions: { ...compilerOptions, ...options }, files: ["typed.ts"] })
    const compiler = join(repository, "node_modules", "typescript", "bin", "tsc")
    return (await run([process.execPath, compiler, "-p", "."], { cwd: w.directory })).stdout
  }
  /** As `bun init` sets it. With NodeNext an import of JSON has Node's meaning: its default alone, under an attribute. */
  const resolution = { module: "Preserve", moduleResolution: "bundler" }
  const schemaTypes = (...plans: ReadonlyArray<string>) =>
    bun(w.path("node_modules/tfjs-lora-pro/src/bin/tfjs-lora-pro.js"), "schema", "--types", ...plans)

  test("of every plan, by a pattern where JSON is not resolved", async () => {
    const types = ["tfjs-lora-pro/plan-files"]
    expect(await tsc(pattern, { ...resolution, types, resolveJsonModule: false })).toBe("")
    // what the documentation says of the default: the JSON file itself comes before the pattern
    expect(await tsc(pattern, { ...resolution, types })).toContain("no exported member 'name'")
  })

  test("of a known plan, literal", async () => {
    expect((await succeed(schemaTypes("tiny.plan.json"))).stdout).toBe("tiny.plan.d.json.ts\n")
    const options = { ...resolution, types: ["bun"], allowArbitraryExtensions: true }
    expect(await tsc(typed, options)).toBe("")
    expect(await tsc(typed.replace('method: "lora"', 'method: "dora"'), options)).toContain(
      `Type '"lora"' is not assignable to type '"dora"'`
    )
    expect(await tsc(typed, { ...options, allowArbitraryExtensions: false })).toContain("allowArbitraryExtensions")
    // what tfjs' own declarations say without skipLibCheck is not ours
    const checked = await tsc(typed, { ...options, skipLibCheck: false })
    expect(checked.split("\n").filter((line) => /^(node_modules\/tfjs-lora-pro|\w+\.ts)/.test(line))).toEqual([])
  })

  test("of a plan that is wrong, gone, or no import's plan are told together, and the others written", async () => {
    w.write("wrong.plan.json", { ...w.json("tiny.plan.json"), seed: -1 })
    w.write("plain.json", w.json("tiny.plan.json"))
    const { code, stdout, stderr } = await schemaTypes(
      "wrong.plan.json",
      "gone.plan.json",
      "plain.json",
      "tiny.plan.json"
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: "tiny.plan.d.json.ts\n" })
    expect(stderr).toContain("wrong.plan.json: 1 problem")
    expect(stderr).toContain("gone.plan.json: no such file")
    expect(stderr).toContain("plain.json: programs can only import plans named ….plan.json")
    expect((await schemaTypes()).stderr).toContain("--types needs plan files")
  })
})
