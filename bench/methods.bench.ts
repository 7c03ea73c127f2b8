/**
 * The method table: every plan of examples/plans, or those that are named, over several seeds, whole runs as a user starts them.
 *
 *   bun bench/methods.bench.ts [--seeds 0,1,2,3,4] [--plans movies-lora-pro-full,examples/fashion/fashion-lora.json]
 *
 * Prints one line per run as it ends, then a Markdown table: mean ± standard deviation over the seeds, all on the test split.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import type { RunReport } from "../src/output/index.ts"
import { scoreOf } from "../src/training/index.ts"

const plansFolder = new URL("../examples/plans", import.meta.url).pathname
const command = new URL("../src/bin/tfjs-lora-pro.ts", import.meta.url).pathname
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "0,1,2,3,4" },
    plans: {
      type: "string",
      default: readdirSync(plansFolder)
        .map((name) => name.replace(/\.json$/, ""))
        .join(",")
    }
  }
})

const mean = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length
const deviation = (numbers: ReadonlyArray<number>): number => {
  const centre = mean(numbers)
  return Math.sqrt(numbers.reduce((sum, n) => sum + (n - centre) ** 2, 0) / Math.max(1, numbers.length - 1))
}

const scratch = mkdtempSync(join(tmpdir(), "methods-"))
const rows: Array<string> = []
for (const plan of values.plans.split(",")) {
  const reports: Array<RunReport> = []
  for (const seed of values.seeds.split(",")) {
    const out = join(scratch, `${basename(plan)}-${seed}`)
    const file = plan.endsWith(".json") ? plan : join(plansFolder, `${plan}.json`)
    const args = [command, "train", file, "--set", `seed=${seed}`, "--out", out, "--json"]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
    if (status !== 0) throw new Error(stderr)
    const report = JSON.parse(stdout) as RunReport
    reports.push(report)
    console.error(
      `${plan} seed ${seed}: ${(100 * scoreOf(report.test!, "accuracy")!).toFixed(2)} % loss ${report.test!.loss.toFixed(3)} ${report.seconds.toFixed(0)} s`
    )
  }
  const accuracy = reports.map((report) => 100 * scoreOf(report.test!, "accuracy")!)
  const of = (pick: (report: RunReport) => number) => reports.map(pick)
  rows.push(
    `| ${plan} | ${mean(accuracy).toFixed(1)} ± ${deviation(accuracy).toFixed(1)} | ${mean(of((r) => r.test!.loss)).toFixed(3)} | ${mean(of((r) => r.trainLoss)).toFixed(2)} | ${reports[0]!.trainable.total.toLocaleString("en")} | ${mean(of((r) => r.seconds)).toFixed(0)} | ${(Math.max(...of((r) => r.peakBytes)) / 1e6).toFixed(0)} |`
  )
}
rmSync(scratch, { recursive: true })
console.log(
  "| plan | test accuracy, % | test loss | train loss, last tenth | trained numbers | s of training | peak MB |"
)
console.log("|---|---|---|---|---|---|---|")
for (const row of rows) console.log(row)
