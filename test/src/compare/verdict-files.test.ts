/** The three files of a verdict: they agree with each other and with the runs, and nothing of a user's can run in the page. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { TrialResult } from "../../../src/compare/study.ts"
import { readCurves } from "../../../src/compare/verdict/curves.ts"
import { type Verdict, writeVerdict } from "../../../src/compare/verdict/index.ts"
import { roundTicks } from "../../../src/compare/verdict/page/chart.ts"
import { platform } from "../../../src/platform.ts"
import { done, exampleStudy, failed, fresh, swept } from "./study-example.ts"

const hostile = `</title><script>alert("|1|")</script>`
const folder = mkdtempSync(join(tmpdir(), "verdict-"))
afterAll(() => rmSync(folder, { recursive: true }))

const study = exampleStudy({ name: `movies ${hostile}`, commonRate: 1e-4 })
const plain = [0.88, 0.87, 0.885, 0.879, 0.882]
const results: ReadonlyArray<TrialResult> = [
  ...[5e-4, 1e-3, 2e-3].map((learningRate, i) => swept({ method: "lora", learningRate, seed: 0 }, 0.3 - 0.02 * i)),
  ...fresh("lora", plain),
  ...fresh(
    "full",
    plain.map((accuracy, i) => accuracy + 0.02 + 0.001 * i)
  ),
  ...fresh("lora-pro", [...plain.slice(1), null]),
  ...fresh("lora", plain, { stage: "common", learningRate: 1e-4 }),
  failed({ method: "lora-pro", learningRate: 1, seed: 0, stage: "sweep" }, `${hostile}\nline | two`)
]

const STEPS = 12
const lossOf = (seed: number, step: number) => 0.7 - 0.02 * step + 0.001 * (seed - 100)

const metricsOf = (seed: number) => [
  ...Array.from({ length: STEPS }, (_, i) => ({ kind: "step", step: i + 1, loss: lossOf(seed, i + 1) })),
  { kind: "evaluation", step: 6, split: "validation", loss: 0.5 + 0.01 * (seed - 100) },
  { kind: "evaluation", step: 12, split: "test", loss: 9 },
  ...[1, 11].map((step) => ({
    kind: "diagnostics",
    step,
    mean: { method: { discrepancy: 1.5, scaledDiscrepancy: 0.9 }, best: { discrepancy: 0.25 * (seed - 99) } }
  }))
]

const run = <A, E>(effect: Effect.Effect<A, E, never>) => Effect.runPromise(effect)
const written = (name: string) => readFileSync(join(folder, name), "utf8")

beforeAll(async () => {
  for (const { directory, trial } of results.filter(
    ({ trial }) => trial.stage === "final" && trial.method === "lora"
  )) {
    mkdirSync(join(folder, directory), { recursive: true })
    const lines = metricsOf(trial.seed).map((row) => JSON.stringify(row))
    // cut off in its last line, as a killed run's file is
    writeFileSync(join(folder, directory, "metrics.jsonl"), `${lines.join("\n")}\n{"kind":"step","st`)
  }
  await run(writeVerdict(study, results, folder).pipe(Effect.provide(platform)))
})

test("compare.json is what was returned, each score by its name", async () => {
  const decoded = JSON.parse(written("compare.json")) as Verdict
  expect(decoded.final!.entries[0]).toMatchObject({ macroF1: { n: 5 }, testLoss: { n: 5 } })
  expect(decoded.final!.entries.map(({ method }) => method)).toEqual(["lora", "lora-pro", "full"])
  expect(decoded.common!.entries).toHaveLength(1)
  expect(decoded.results).toEqual(results as Array<TrialResult>)
})

test("compare.md has every entry in a table whose rows have as many cells as its head", () => {
  const text = written("compare.md")
  const tables = text.split("\n\n").filter((part) => part.startsWith("| method"))
  // two of differences, two of costs, one of rates
  expect(tables).toHaveLength(5)
  for (const table of tables) {
    const cells = table.split("\n").map((line) => line.replaceAll("\\|", "").split("|").length)
    expect(new Set(cells).size).toBe(1)
  }
  expect(text).toContain("| LoRA | 8 | 1e-3 | 5 | 87.9 | 87.9 (87.2 to 88.6) |")
  // full fine-tuning beside LoRA is told apart; LoRA-Pro is not, and one of its runs is missing from the pairs
  expect(text).toContain("| **+2.2** (+1.9 to +2.5) | – |")
  expect(text).toContain("| +0.05 (−2.3 to +2.4); 1 of its runs failed, over the 4 seeds left |")
  expect(text).toContain("5e-4: 0.300, 1e-3: 0.280, **2e-3: 0.260**")
  expect(text).toContain("4, 1 failed")
  expect(text).toContain("line \\| two")
})

describe("compare.html", () => {
  const parsed = () => {
    const elements: Array<string> = []
    const attributes: Array<readonly [string, string]> = []
    new HTMLRewriter()
      .on("*", {
        element: (element) => {
          elements.push(element.tagName)
          for (const [name, value] of element.attributes) attributes.push([name, value])
        }
      })
      .transform(written("compare.html"))
    return { elements, attributes }
  }

  test("has no script, may run none and loads nothing", () => {
    const { elements, attributes } = parsed()
    for (const name of ["script", "link", "img", "iframe", "object"]) expect(elements).not.toContain(name)
    for (const [name] of attributes) expect(name).not.toMatch(/^(on|src|href)/)
    const policy = attributes.find(([, value]) => value.startsWith("default-src"))![1].replaceAll("&#39;", "'")
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain("script-src")
  })

  test("says what compare.json says", () => {
    const page = written("compare.html")
    const { final } = JSON.parse(written("compare.json")) as Verdict
    for (const { name, test: accuracy, againstFull } of final!.entries) {
      expect(page).toContain(`>${name}</th>`)
      if (accuracy !== null) expect(page).toContain(`${(100 * accuracy.mean).toFixed(1)} %`)
      if (againstFull?.claim === "behind")
        expect(page).toContain(`behind by ${(100 * Math.abs(againstFull.mean!)).toFixed(1)}`)
    }
    expect(page).toContain("2e-3 (chosen)")
    expect(page).toContain("&lt;script&gt;alert")
  })

  test("every chart is an image with words, and every table can be scrolled by keyboard", () => {
    const page = written("compare.html")
    const charts = page.match(/<svg [^>]*>/g)!
    // intervals twice, each for wide and for narrow screens; a sweep of two methods, two costs, losses of one method, its discrepancies
    expect(charts).toHaveLength(9)
    for (const chart of charts) expect(chart).toMatch(/role="img" aria-label="[^"]{20,}"/)
    expect(page.match(/<table>/g)!.length).toBe(
      page.match(/<div class="scroll" tabindex="0" role="region" aria-label="[^"]+"><table>/g)!.length
    )
    expect(page).not.toMatch(/NaN|Infinity|undefined/)
  })
})

describe("curves", () => {
  test("are means over the seeds, of what the files have", async () => {
    const curves = await run(readCurves(study, results, folder).pipe(Effect.provide(platform)))
    const lora = curves.find(({ method }) => method === "lora")!
    expect(lora.seeds).toBe(5)
    expect(lora.validation).toEqual([[6, 0.52]])
    expect(lora.bestDiscrepancy.map(([step]) => step)).toEqual([1, 11])
    expect(lora.bestDiscrepancy[0]![1]).toBeCloseTo(0.75, 12)
    // a running mean of a falling loss starts at the first loss and stays above the last
    expect(lora.training).toHaveLength(STEPS)
    expect(lora.training[0]![1]).toBeCloseTo(lossOf(102, 1), 4)
    expect(lora.training.at(-1)![1]).toBeGreaterThan(lossOf(102, STEPS))
    // no metrics.jsonl: no curve, and no failure
    expect(curves.find(({ method }) => method === "full")!.training).toEqual([])
  })

  test("a step that one seed lacks is left out of the mean", async () => {
    const short = exampleStudy({ methods: ["lora"] })
    const runs = [100, 101].map((seed) => done({ method: "lora", learningRate: 5, seed }, 0.9))
    for (const [i, { directory }] of runs.entries()) {
      mkdirSync(join(folder, directory), { recursive: true })
      const rows = Array.from({ length: 4 - i }, (_, step) => ({ kind: "step", step: step + 1, loss: 1 }))
      writeFileSync(join(folder, directory, "metrics.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
    }
    const [curve] = await run(readCurves(short, runs, folder).pipe(Effect.provide(platform)))
    expect(curve!.training.map(([step]) => step)).toEqual([1, 2, 3])
  })
})

test("round numbers beside an axis", () => {
  expect(roundTicks(83.7, 91.2, 5)).toEqual([84, 86, 88, 90])
  expect(roundTicks(0.21, 0.29, 4)).toEqual([0.22, 0.24, 0.26, 0.28])
  expect(roundTicks(0, 100, 5)).toEqual([0, 20, 40, 60, 80, 100])
})
