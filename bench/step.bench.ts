/**
 * The step bench: what a MiniLM LoRA step (r = 8, six linear types of six layers) costs, method by method, on the wasm backend.
 *
 *   bun run bench [--quick] [--shapes 4x32,8x128,32x128] [--rounds 3]
 *
 * Every cell is a process of its own. Within a round the cells of a shape follow each other, so that ratios compare what ran within
 * the same minutes; the table shows medians over rounds. PyTorch + PEFT joins where Python has them ($PYTHON, default python3).
 */
import { spawnSync } from "node:child_process"
import { availableParallelism, cpus } from "node:os"
import { parseArgs } from "node:util"
import type { Measurement } from "./measure.ts"

interface Result {
  readonly milliseconds: number
  readonly peakBytes: number
}

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    shapes: { type: "string", default: "4x32,8x128,32x128" },
    rounds: { type: "string", default: "3" }
  }
})
const shapes = values.shapes.split(",").map((shape) => shape.split("x").map(Number) as [number, number])
const rounds = values.quick ? 1 : Number(values.rounds)
const cores = availableParallelism()
const here = (file: string) => new URL(file, import.meta.url).pathname
const python = process.env["PYTHON"] ?? "python3"

const run = (command: string, args: ReadonlyArray<string>): Result | string => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 })
  if (status === 0) return JSON.parse(stdout.trim().split("\n").at(-1)!) as Result
  return stderr.trim().split("\n").at(-1) ?? `exit ${status}`
}

const hasTorch = spawnSync(python, ["-c", "import torch, transformers, peft"]).status === 0
if (!hasTorch) console.error(`PyTorch + PEFT are left out: ${python} cannot import torch, transformers and peft`)

interface Cell {
  readonly name: string
  readonly threads: number
  readonly measure: (batch: number, length: number) => Result | string
}

const ours = (method: Measurement["method"], threads: number): Cell => ({
  name: method,
  threads,
  measure: (batch, length) => {
    const measurement: Measurement = { path: "ours", method, batch, length, threads, steps: values.quick ? 2 : 5 }
    return run(process.execPath, [here("measure.ts"), JSON.stringify(measurement)])
  }
})

const stock: Cell = {
  name: "stock tfjs (LoRA)",
  threads: 1,
  measure: (batch, length) => {
    const measurement: Measurement = { path: "stock", method: "lora", batch, length, threads: 1, steps: 2 }
    return run(process.execPath, [here("measure.ts"), JSON.stringify(measurement)])
  }
}

const torch = (threads: number): Cell => ({
  name: "PyTorch + PEFT (LoRA)",
  threads,
  measure: (batch, length) =>
    run(python, [here("torch_step.py"), "--batch", `${batch}`, "--length", `${length}`, "--threads", `${threads}`])
})

const threadCounts = cores > 1 ? [1, cores] : [1]
const cells: ReadonlyArray<Cell> = [
  stock,
  ...threadCounts.flatMap((threads) => [
    ours("lora", threads),
    ours("lora-pro-efficient", threads),
    ours("lora-pro-full", threads),
    ours("full", threads),
    ...(hasTorch ? [torch(threads)] : [])
  ])
]

const median = (numbers: ReadonlyArray<number>): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).stdout.trim()
console.log(
  `${cpus()[0]?.model.trim()}, ${cores} cores · ${process.versions.bun ? `Bun ${process.versions.bun}` : process.version} · commit ${commit} · medians of ${rounds} rounds\n`
)

for (const [batch, length] of shapes) {
  const times = new Map<Cell, Array<Result>>()
  const failures = new Map<Cell, string>()
  for (let round = 0; round < rounds; round++) {
    for (const cell of cells) {
      if (failures.has(cell)) continue
      const result = cell.measure(batch, length)
      if (typeof result === "string") failures.set(cell, result)
      else times.set(cell, [...(times.get(cell) ?? []), result])
    }
  }
  const of = (cell: Cell | undefined) => (cell === undefined ? undefined : times.get(cell)?.map((r) => r.milliseconds))
  /** Ratio of two cells, round by round. */
  const ratio = (cell: Cell, other: Cell | undefined): string => {
    const [own, theirs] = [of(cell), of(other)]
    if (own === undefined || theirs === undefined) return "–"
    return `${median(own.map((value, round) => value / (theirs[round] ?? value))).toFixed(2)}×`
  }
  console.log(`### ${batch} × ${length} tokens\n`)
  console.log("| step | threads | ms | tokens/s | peak MB | stock ÷ this | ÷ LoRA step |")
  console.log("|---|---|---|---|---|---|---|")
  for (const cell of cells) {
    const results = times.get(cell)
    if (results === undefined) {
      console.log(`| ${cell.name} | ${cell.threads} | ${failures.get(cell) ?? "did not run"} | | | | |`)
      continue
    }
    const ms = median(results.map((result) => result.milliseconds))
    const peak = Math.max(...results.map((result) => result.peakBytes))
    const lora = cells.find(({ name, threads }) => name === "lora" && threads === cell.threads)
    console.log(
      `| ${cell.name} | ${cell.threads} | ${ms.toFixed(0)} | ${((1000 * batch * length) / ms).toFixed(0)} | ${(peak / 1e6).toFixed(0)} | ${ratio(stock, cell)} | ${ratio(cell, lora)} |`
    )
  }
  console.log("")
}
