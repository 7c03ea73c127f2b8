/** `evaluate --suite`: a trained run and its base model, asked the rows of a suite: scores, samples, the record, several ranks. */
import { beforeAll, expect, test } from "bun:test"
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { Device } from "../../src/device/index.ts"
import { platform } from "../../src/platform.ts"
import { openRecord, readSuite } from "../../src/scoring/index.ts"
import { loadCausalRun, type RunSuiteOptions, runSuite, type SuiteReport, SuiteText } from "../../src/trained/index.ts"
import { ranksInProcess } from "../ranks.ts"
import { causalData, causalPlan, decoder } from "./causal-workspace.ts"
import { cli, jsonLines, onWasm, repository, run, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()

/** What the model is taught, and what it is asked: one answer is another, which only the base model gives. */
const taught = { grass: "green", snow: "white", coal: "black", blood: "red" }
const asked = { ...taught, coal: "yellow" }
const rowsOf = (all: object) => Object.entries(all).map(([thing, colour]) => ({ thing, colour }))

const suite = {
  name: "colours",
  rows: "asked.jsonl",
  prompt: "{thing}",
  answer: "{colour}",
  maxNewTokens: 4,
  scorer: "exact"
}

beforeAll(async () => {
  decoder(w, "llama")
  w.write(
    "train.jsonl",
    jsonLines(Object.entries(taught).map(([prompt, colour]) => ({ prompt, completion: ` ${colour}` })))
  )
  w.write("asked.jsonl", jsonLines(rowsOf(asked)))
  w.write("colours.json", suite)
  const data = { ...causalData("completion"), train: "train.jsonl", validation: undefined, test: undefined }
  const optimizer = { kind: "lora-pro", learningRate: 5e-3 }
  const plan = causalPlan("llama", "completion", { data, optimizer, training: { steps: 40, batchSize: 4 } })
  await complete(w, w.write("plan.json", plan), "runs/colours")
}, TIMEOUT)

const runHere = (options: RunSuiteOptions & { readonly file?: string }, name = "colours.json") =>
  Effect.gen(function* () {
    const run = yield* loadCausalRun(w.path("runs/colours"))
    return yield* runSuite(run, yield* readSuite(w.path(name)), options)
  }).pipe(Effect.scoped)

const asReport = (program: ReturnType<typeof runHere>): Promise<SuiteReport> =>
  program.pipe(Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform), Effect.runPromise)

test("the run knows what it was taught, the base model something else, and the difference is paired", async () => {
  const { metrics, answers, rows } = await asReport(runHere({}))
  expect(rows).toBe(4)
  const { adapter, base, difference } = metrics["exact"]!
  expect([adapter.mean, base.mean, difference.mean]).toEqual([0.75, 0.25, 0.5])
  // one row of four is worse
  expect([difference.low, difference.high]).toEqual([-0.5, 1])
  expect(answers.map(({ model }) => model)).toEqual([...Array(4).fill("adapter"), ...Array(4).fill("base")])
  const wrong = answers.filter(({ model, scores }) => model === "adapter" && scores["exact"] === 0)
  expect(wrong).toMatchObject([{ where: w.path("asked.jsonl:3"), text: " black", expected: "yellow", finish: "eos" }])
})

test("samples: their mean, one of them right, and what most of them say", async () => {
  const options = { samples: 8, temperature: 3, seed: 7, rows: 2 }
  const { metrics, answers } = await asReport(runHere(options))
  const right = [0, 1].map(
    (row) => answers.slice(8 * row, 8 * row + 8).filter(({ scores }) => scores["exact"] === 1).length
  )
  expect(metrics["exact"]!.adapter.mean).toBe((right[0]! + right[1]!) / 16)
  expect(metrics["pass@8"]!.adapter.mean).toBe(right.filter((count) => count > 0).length / 2)
  expect(Object.keys(metrics)).toEqual(["exact", "pass@8", "majority"])
  // samples differ from each other, and are the same another time
  expect(new Set(answers.slice(0, 8).map(({ text }) => text)).size).toBeGreaterThan(1)
  expect((await asReport(runHere(options))).answers).toEqual(answers)
  const other = await asReport(runHere({ ...options, seed: 8 }))
  expect(other.answers.map(({ text }) => text)).not.toEqual(answers.map(({ text }) => text))
})

test("several ranks share the work, with the answers of one, and the first keeps the record", async () => {
  const alone = await asReport(runHere({ samples: 2, temperature: 1 }))
  const size = 3
  const records: Array<number> = []
  const reports = await ranksInProcess(size)
    .run((rank) =>
      Effect.gen(function* () {
        const file = w.path(`rank-${rank}.jsonl`)
        const record = { texts: yield* openRecord(file, SuiteText), identity: "one" }
        const report = yield* runHere({ samples: 2, temperature: 1, record })
        records[rank] = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0
        return report
      })
    )
    .pipe(Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform), Effect.runPromise)
  for (const report of reports) expect(report).toEqual(alone)
  expect(records).toEqual([16, 0, 0])
})

const evaluate = (...args: ReadonlyArray<string>) => w.cli(["evaluate", "runs/colours", ...args, ...onWasm])

test(
  "the command prints both models and wrong answers, and a stopped one continues from its record",
  async () => {
    const args = ["--suite", "colours.json", "--record", "answers.jsonl"]
    const { stdout } = await succeed(evaluate(...args))
    expect(stdout).toContain("colours: 4 rows, 0 solved rows before each, 1 answer to each")
    expect(stdout).toContain("exact  adapter 75.0 % (25.0 % to 100.0 %)   base model 25.0 % (0.0 % to 75.0 %)")
    expect(stdout).toContain("difference +50 points (-50 to +100)")
    expect(stdout).toMatch(/asked\.jsonl:3\n +wrote +black\n +expected +yellow/)
    const lines = readFileSync(w.path("answers.jsonl"), "utf8").trimEnd().split("\n")
    expect(lines).toHaveLength(8)
    // as a killed process leaves it; an answer on record is not written again, whatever it says
    const kept = lines.map((line) => line.replace('" white"', '" snowy"'))
    expect(kept).not.toEqual(lines)
    writeFileSync(w.path("answers.jsonl"), `${kept.slice(0, 5).join("\n")}\n`)
    appendFileSync(w.path("answers.jsonl"), kept[5]!.slice(0, 40))
    const { stdout: again } = await succeed(evaluate(...args, "--json"))
    const report = JSON.parse(again) as SuiteReport
    expect(report.metrics["exact"]!.adapter.mean).toBe(0.5)
    const texts = readFileSync(w.path("answers.jsonl"), "utf8")
    expect(texts.trimEnd().split("\n")).toHaveLength(9)
    // other decoding, other rows or another model are not on record
    await succeed(evaluate(...args, "--max-tokens", "1"))
    expect(readFileSync(w.path("answers.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(17)
    rmSync(w.path("answers.jsonl"))
  },
  TIMEOUT
)

test(
  "solved rows come before the question, without the row that is asked",
  async () => {
    w.write("shown.json", { ...suite, shots: { rows: "asked.jsonl", count: 2 } })
    const long = { ...suite, shots: { rows: "asked.jsonl", count: 2 }, prompt: "{thing} {thing} ".repeat(200) }
    w.write("long.json", long)
    const { answers, shots } = await asReport(runHere({}, "shown.json"))
    expect(shots).toBe(2)
    // what is shown changes what is said, and 0 shows nothing
    const plain = await asReport(runHere({}))
    expect(answers.map(({ text }) => text)).not.toEqual(plain.answers.map(({ text }) => text))
    expect((await asReport(runHere({ shots: 0 }, "shown.json"))).answers).toEqual(plain.answers)
    // a shown row that is asked itself gives its place to the next one
    w.write("pair.jsonl", jsonLines(rowsOf({ grass: "green", snow: "white" })))
    w.write("snow.jsonl", jsonLines(rowsOf({ snow: "white" })))
    const textsAfter = async (rows: string) => {
      w.write("after.json", { ...suite, shots: { rows, count: 1 } })
      return (await asReport(runHere({ rows: 1 }, "after.json"))).answers.map(({ text }) => text)
    }
    expect(await textsAfter("pair.jsonl")).toEqual(await textsAfter("snow.jsonl"))
    const { code, stderr } = await evaluate("--suite", "long.json")
    expect([code, stderr]).toEqual([1, expect.stringMatching(/asked\.jsonl:1: the prompt has \d+ tokens, but /)])
  },
  TIMEOUT
)

test.skipIf(Bun.which("deno") === null)(
  "a text is a program that its row's tests pass or fail",
  async () => {
    // a program that is the name of a variable, which the tests declare
    const rows = rowsOf(asked).map((row) => ({ ...row, tests: `var ${row.colour}` }))
    w.write("programs.jsonl", jsonLines(rows))
    w.write("programs.json", { ...suite, rows: "programs.jsonl", scorer: "javascript" })
    const { stdout } = await succeed(evaluate("--suite", "programs.json"))
    expect(stdout).toContain("passed  adapter 75.0 % (25.0 % to 100.0 %)   base model 25.0 % (0.0 % to 75.0 %)")
    const { code, stderr } = await evaluate("--suite", "programs.json", "--data", "asked.jsonl")
    expect([code, stderr]).toEqual([1, expect.stringContaining("asked.jsonl:1: the row has no tests; expected ")])
  },
  TIMEOUT
)

test(
  "what programs need is looked for before anything is generated",
  async () => {
    w.write("python.json", { ...suite, scorer: "python" })
    const args = ["evaluate", "runs/colours", "--suite", "python.json", "--record", "none.jsonl", ...onWasm]
    const bare = await run([process.execPath, cli, ...args], { cwd: w.directory, env: { PATH: w.path("runs") } })
    expect([bare.code, bare.stderr]).toEqual([1, expect.stringMatching(/python: .*Deno, .*; npm install -g deno\n/)])
    expect(bare.stderr).not.toContain("    at ")
    for (const name of ["package.json", "src", "schemas", "adapters"])
      cpSync(join(repository, name), w.path(`bare/${name}`), { recursive: true })
    mkdirSync(w.path("bare/node_modules"))
    for (const name of readdirSync(join(repository, "node_modules")).filter((one) => one !== "pyodide"))
      symlinkSync(join(repository, "node_modules", name), w.path(`bare/node_modules/${name}`))
    const without = await run([process.execPath, w.path("bare/src/bin/tfjs-lora-pro.ts"), ...args], {
      cwd: w.directory
    })
    const remedy = `npm install pyodide@${packageJson.peerDependencies.pyodide}`
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining(remedy)])
    expect(existsSync(w.path("none.jsonl"))).toBe(false)
  },
  TIMEOUT
)

test.each([
  [
    ["--suite", "colors"],
    "no such suite; expected gsm8k, gsm8k-zero-shot, humaneval, humaneval-instruct or a .json file"
  ],
  [["--suite", "colours.json", "--generate", "--match", "exact"], "found --generate, --match with --suite"],
  [["--suite", "colours.json", "--samples", "4"], "found --samples 4 without --temperature"],
  [["--suite", "colours.json", "--shots", "2"], "found 2 shots, but the suite names no rows for them"],
  [["--suite", "colours.json", "--data", "train.jsonl"], "train.jsonl:1: "],
  [["--rows", "2", "--record", "x.jsonl"], "found --rows, --record without --suite"],
  [["--suite", "colours.json", "--rows", "0"], "an integer of at least 1"]
] as const)("%p is reported in a message", async (args, says) => {
  const { code, stderr, stdout } = await evaluate(...args)
  expect([code, stderr + stdout]).toEqual([1, expect.stringContaining(says)])
  expect(stderr).not.toContain("    at ")
})
