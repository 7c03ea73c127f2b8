/**
 * Every example plan, as a newcomer would start it, for two steps on the embedded model and a few of its rows; and the
 * pipelines that show the parts of a run as they are (`long/lessons.long.ts` has the others).
 */
import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { jsonObjects, listing, nameOf, repository, run, succeed, TIMEOUT, workspace } from "./fixtures.ts"

const w = workspace()

const plans = [...new Bun.Glob("**/*.json").scanSync(join(repository, "examples", "plans"))].sort()
/** Those of long/lessons.long.ts, which bring a part of their own. */
const lessons = /^(own-.*|curriculum|two-adapters|http-server)\.ts$/
const pipelines = [...new Bun.Glob("*.ts").scanSync(join(repository, "examples", "pipelines"))]
  .filter((file) => !lessons.test(file))
  .sort()

test("there are plans for every form and every yardstick, and pipelines", () => {
  expect(plans.length).toBeGreaterThanOrEqual(7)
  expect(pipelines).toEqual(expect.arrayContaining(["gradient-seen.ts", "movies.ts"]))
})

const plan = (name: string) => join(repository, "examples", "plans", name)

/** Some rows of a split of a plan. */
const someRows = async (name: string, split: "test" | "validation", count: number) => {
  const { data } = await Bun.file(plan(name)).json()
  const text = await Bun.file(join(plan(name), "..", data[split])).text()
  return w.path(w.write(`${nameOf(name)}.${split}.jsonl`, `${text.split("\n").slice(0, count).join("\n")}\n`))
}

/** Two steps, and few rows to evaluate. */
const settingsOf = async (name: string) => {
  const [test, validation] = [await someRows(name, "test", 16), await someRows(name, "validation", 12)]
  return ["training.steps=2", `data.test=${test}`, `data.validation=${validation}`].flatMap((one) => ["--set", one])
}

test("plans beside their own models and rows are sound as well", async () => {
  const others = [
    "smollm2/json-answers.json",
    "smollm2/json-answers-lora.json",
    "digits/turned.json",
    "fashion/fashion-lora-pro.json",
    "pairs/pairs.json",
    "word-problems/word-problems.json"
  ]
  for (const other of others) {
    const read = readPlan(join(repository, "examples", other)).pipe(Effect.provide(platform))
    expect([other, (await Effect.runPromise(read)).name]).toEqual([other, nameOf(other)])
  }
})

test(
  "all of them validate",
  async () => {
    const { stdout } = await succeed(w.cli(["validate", ...plans.map(plan), "--json"]))
    const summaries = jsonObjects(stdout)
    expect(summaries.map(({ ok, warnings }) => [ok, warnings])).toEqual(plans.map(() => [true, []]))
  },
  TIMEOUT
)

describe("trains", () => {
  for (const file of plans) {
    test(
      file,
      async () => {
        const name = nameOf(file)
        const { adapter, data } = await Bun.file(plan(file)).json()
        const { stdout } = await succeed(w.cli(["train", plan(file), ...(await settingsOf(file)), "--json"]))
        const report = JSON.parse(stdout)
        expect(report).toMatchObject({
          name,
          directory: `runs/${name}-1`,
          steps: 2,
          before: { rows: 16 },
          validation: { rows: 12 },
          test: { rows: 16 }
        })
        expect(Number.isFinite(report.trainLoss)).toBe(true)
        const trained = {
          // embeddings have no head, and PEFT's own file holds that of words
          lora: [
            "adapter_config.json",
            "adapter_model.safetensors",
            ...(["embedding", "token-classification"].includes(data.format) ? [] : ["head.safetensors"])
          ],
          full: ["head.safetensors", "trained.safetensors"],
          none: ["head.safetensors"]
        }[adapter.method as "lora" | "full" | "none"]
        const files = ["metrics.jsonl", "plan.json", "run.json", ...trained.map((part) => `adapter/${part}`)]
        expect(listing(w.path(report.directory))).toEqual(expect.arrayContaining(files))
      },
      TIMEOUT
    )
  }
})

describe("runs", () => {
  for (const file of pipelines) {
    test(
      file,
      async () => {
        const script = join(repository, "examples", "pipelines", file)
        const { stdout } = await succeed(run([process.execPath, script, "2"], { cwd: w.directory }))
        expect(stdout).toMatch(/step 1: loss \d+\.\d+/)
        expect(stdout).toMatch(/step 2: loss \d+\.\d+/)
        expect(stdout).not.toContain("step 3")
      },
      TIMEOUT
    )
  }
})

test("the loop is one page, and the page about code begins with it", async () => {
  const text = (file: string) => Bun.file(join(repository, file)).text()
  const loop = await text("examples/pipelines/loop.ts")
  expect(loop.trimEnd().split("\n").length).toBeLessThanOrEqual(60)
  const block = /```ts\n([\s\S]*?)^```$/m.exec(await text("docs/code.md"))![1]!
  const asOnThePage = loop
    .slice(loop.indexOf("import"))
    .replace(/"\.\.\/\.\.\/(?:src\/)?(?:(\w+)\/)?index\.ts"/g, (_, entry?: string) =>
      JSON.stringify(entry === undefined ? "tfjs-lora-pro" : `tfjs-lora-pro/${entry}`)
    )
    .replace(/new URL\("\.\.\/(.*?)".*pathname/, '"examples/$1"')
    .replace("Number(process.argv[2] ?? training.steps)", "training.steps ?? 80")
  expect(block).toBe(asOnThePage)
})

test(
  "the loop takes the steps that the stream of steps takes",
  async () => {
    const [loop, movies] = await Promise.all(
      ["loop.ts", "movies.ts"].map((file) => {
        const script = join(repository, "examples", "pipelines", file)
        return succeed(run([process.execPath, script, "3"], { cwd: w.directory }))
      })
    )
    expect(loop!.stdout).toMatch(/step 3: loss \d+\.\d+\nvalidation accuracy/)
    expect(loop!.stdout).toBe(movies!.stdout)
    const adapters = ["loop", "movies"].map((name) => w.bytes(`runs/pipeline-${name}/adapter_model.safetensors`))
    expect(adapters[0]).toEqual(adapters[1]!)
  },
  TIMEOUT
)

test(
  "train without a plan takes the embedded one",
  async () => {
    const { stderr } = await succeed(
      w.cli(["train", ...(await settingsOf("movies-lora-pro-full.json")), "--out", "default"])
    )
    expect(stderr).toContain("movies-lora-pro-full: 36 linear layers and the head of bert")
    expect(w.json("default/run.json")).toMatchObject({ name: "movies-lora-pro-full", steps: 2 })
  },
  TIMEOUT
)
