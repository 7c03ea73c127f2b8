/**
 * What `validate` says that a run will need, beside what it needed: short runs of plans that differ in what the estimate depends on.
 *
 *   bun bench/memory.bench.ts [--only TEXT] [--steps 3] [--threads auto]
 *
 * Each row trains in a process of its own, as a user would start it. The measured number is `peakBytes` of its `run.json`, the
 * process's largest resident size; "ratio" is estimate over measurement. Rows named "long" train on texts that fill `data.maxLength`,
 * for which the estimate is meant; texts of the example plans are mostly shorter than theirs.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { RunReport } from "../src/output/index.ts"
import type { MemoryEstimate } from "../src/plan/index.ts"
import { type Outcome, printTable, run, setting } from "./cells.ts"
import { writeBaseCheckpoint } from "./checkpoint.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    steps: { type: "string", default: "3" },
    threads: { type: "string", default: "auto" }
  }
})

const command = new URL("../src/bin/tfjs-lora-pro.ts", import.meta.url).pathname
const planFile = (name: string) => new URL(`../examples/plans/movies-${name}.json`, import.meta.url).pathname

interface Row {
  readonly plan: "lora" | "lora-pro-efficient" | "lora-pro-full" | "full-fine-tuning"
  /** what differs from the example plan, as `--set` says it */
  readonly set: ReadonlyArray<string>
  /** tokens of every text, in place of the movies' */
  readonly long?: number
  readonly base?: true
}

const batch = (size: number) => `training.batchSize=${size}`
const evaluation = (size: number) => `training.evaluateBatchSize=${size}`
const blocks = "training.recompute=blocks"
const rank64 = ["adapter.rank=64", "adapter.alpha=128"]

const rows: ReadonlyArray<Row> = [
  { plan: "lora", set: [] },
  { plan: "lora-pro-efficient", set: [] },
  { plan: "lora-pro-full", set: [] },
  { plan: "full-fine-tuning", set: [] },
  { plan: "lora-pro-full", set: rank64 },
  { plan: "lora", set: [batch(32)] },
  { plan: "lora", set: [evaluation(512)] },
  { plan: "lora", set: [evaluation(8)], long: 128 },
  { plan: "lora-pro-full", set: [evaluation(8)], long: 128 },
  { plan: "full-fine-tuning", set: [evaluation(8)], long: 128 },
  { plan: "lora", set: [evaluation(8), blocks], long: 128 },
  { plan: "lora", set: [evaluation(8), batch(32), blocks], long: 128 },
  { plan: "lora", set: [evaluation(8), batch(4)], long: 256 },
  { plan: "lora", set: [evaluation(64), batch(4)], long: 128 },
  { plan: "lora", set: [evaluation(4), batch(4)], long: 128, base: true },
  { plan: "full-fine-tuning", set: [evaluation(4), batch(4)], long: 128, base: true }
]

const nameOf = ({ plan, set, long, base }: Row): string => {
  const settings = set.map((text) => text.replace(/^\w+\./, "").replace("=", " "))
  return [base === true ? `base ${plan}` : plan, ...(long === undefined ? [] : [`long ${long}`]), ...settings].join(
    ", "
  )
}

const scratch = mkdtempSync(join(tmpdir(), "bench-memory-"))
const baseFolder = join(scratch, "base")

/** A split of texts that are longer than a model reads. Few rows: memory depends on the batch, not on the split. */
const longTexts = (): string => {
  const file = join(scratch, "long.jsonl")
  const movies = readFileSync(new URL("../examples/data/movies/train.jsonl", import.meta.url), "utf8").split("\n")
  const texts = movies.filter((line) => line !== "").map((line) => JSON.parse(line) as { readonly text: string })
  const lines = Array.from({ length: 64 }, (_, i) => {
    const text = texts.slice(20 * i, 20 * i + 20).map((row) => row.text) // 20 reviews are some 400 tokens
    return JSON.stringify({ text: text.join(" "), label: i % 2 === 0 ? "negative" : "positive" })
  })
  writeFileSync(file, lines.join("\n"))
  return file
}

const settingsOf = ({ set, long, base }: Row, texts: string): ReadonlyArray<string> => [
  `training.steps=${values.steps}`,
  `training.threads=${values.threads}`,
  "training.evaluateRows=64",
  ...(long === undefined ? [] : ["train", "validation", "test"].map((split) => `data.${split}=${texts}`)),
  ...(long === undefined ? [] : [`data.maxLength=${long}`]),
  ...(base === true ? [`model.source=${baseFolder}`] : []),
  ...set
]

interface Measured {
  readonly estimate: MemoryEstimate
  readonly report: RunReport
}

const measured = (row: Row, texts: string, out: string): Outcome<Measured> => {
  const set = settingsOf(row, texts).flatMap((setting) => ["--set", setting])
  const file = planFile(row.plan)
  const told = run<{ readonly memory: MemoryEstimate }>(process.execPath, [command, "validate", file, ...set, "--json"])
  if (typeof told === "string") return told
  const report = run<RunReport>(process.execPath, [command, "train", file, ...set, "--out", out, "--json"])
  return typeof report === "string" ? report : { estimate: told.memory, report }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

const tableRow = (row: Row, found: Outcome<Measured>): ReadonlyArray<string> => {
  if (typeof found === "string") return [nameOf(row), found, "", "", "", "", "", ""]
  const { weights, trainable, activations, checkpoint, total } = found.estimate
  const { peakBytes } = found.report
  const terms = [weights, trainable, activations, checkpoint, total, peakBytes].map(megabytes)
  return [nameOf(row), ...terms, (total / peakBytes).toFixed(2)]
}

try {
  const chosen = rows.filter((row) => nameOf(row).includes(values.only))
  if (chosen.some(({ base }) => base === true)) await writeBaseCheckpoint(baseFolder)
  const texts = longTexts()
  const table = chosen.map((row, i) => {
    const cells = tableRow(row, measured(row, texts, join(scratch, `run-${i}`)))
    console.error(cells.join(" | "))
    return cells
  })
  console.log(`${setting()} · threads ${values.threads} · ${values.steps} steps\n`)
  printTable(
    ["plan", "weights", "trained", "activations", "checkpoint", "estimate, MB", "measured, MB", "ratio"],
    table
  )
} finally {
  rmSync(scratch, { recursive: true })
}
