/**
 * The digits: a small network that knows upright digits learns turned or inverted ones. A minute of steps shows what a
 * method does from B = 0 when a task is far away, which text does not.
 *
 *   bun bench/digits.bench.ts [--method lora,lora-pro-efficient] [--task turned,inverted] [--steps 60,200]
 *                             [--learning-rate 0.01,0.02] [--seeds 0,1,2] [--test-seeds 10,11,12,13,14] [--watch]
 *
 * Of the rates (each method has its own grid, if none is given) the best by validation accuracy over `--seeds` is
 * taken, and scored on the test images with `--test-seeds`, which chose nothing. JSON lines as runs end, then a
 * Markdown table: mean and 95 % interval over the test seeds; a star where the best rate is at the edge of its grid.
 * `--watch`: a JSON line a step and site, of the runs of `--test-seeds`.
 */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { layer } from "../src/device/bun.ts"
import { printTable, setting } from "./cells.ts"
import { adapt, baseline, type Run } from "./digits/adapt.ts"
import { type Base, openBase } from "./digits/base.ts"
import { type Digits, readDigits, type Task } from "./digits/images.ts"
import { isMethod, type MethodName, methods } from "./digits/methods.ts"
import { interval, mean } from "./digits/statistics.ts"
import { watcher } from "./digits/watch.ts"

const { values } = parseArgs({
  options: {
    method: { type: "string", default: Object.keys(methods).join(",") },
    task: { type: "string", default: "turned,inverted" },
    steps: { type: "string", default: "60" },
    "learning-rate": { type: "string" },
    seeds: { type: "string", default: "0,1,2" },
    "test-seeds": { type: "string", default: "10,11,12,13,14" },
    watch: { type: "boolean", default: false }
  }
})

const numbers = (text: string): ReadonlyArray<number> => text.split(",").filter(Boolean).map(Number)

const chosenMethods = values.method.split(",").map((name): MethodName => {
  if (isMethod(name)) return name
  throw new Error(`--method: found ${name}; expected some of ${Object.keys(methods).join(", ")}`)
})
const tasks = values.task.split(",") as ReadonlyArray<Task>
const print = (line: object): void => console.log(JSON.stringify(line))

interface Bench {
  readonly digits: Digits
  readonly base: Base
}

/** Accuracies, in percent, over seeds. */
const accuracies = async ({ digits, base }: Bench, run: Omit<Run, "seed">, seeds: ReadonlyArray<number>) => {
  const found: Array<number> = []
  for (const seed of seeds) {
    const began = performance.now()
    const own: Run = { ...run, seed }
    const watch = values.watch && run.split === "test" ? watcher(own, print) : undefined
    const outcome = await adapt(digits, base, own, watch)
    print({ kind: "run", ...own, ...outcome, seconds: (performance.now() - began) / 1000 })
    found.push(100 * outcome.accuracy)
  }
  return found
}

/** A row of the table: the rate that validation picks, and what it does on the test images. */
const row = async (bench: Bench, task: Task, method: MethodName, steps: number): Promise<ReadonlyArray<string>> => {
  const rates = values["learning-rate"] === undefined ? methods[method].rates : numbers(values["learning-rate"])
  let best = { learningRate: rates[0]!, validation: Number.NEGATIVE_INFINITY }
  for (const learningRate of rates.length > 1 ? rates : []) {
    const run = { task, method, learningRate, steps, split: "validation" } as const
    const validation = mean(await accuracies(bench, run, numbers(values.seeds)))
    if (validation > best.validation) best = { learningRate, validation }
  }
  const { learningRate, validation } = best
  const test = await accuracies(
    bench,
    { task, method, learningRate, steps, split: "test" },
    numbers(values["test-seeds"])
  )
  const edge = rates.length > 1 && (learningRate === rates[0] || learningRate === rates.at(-1)) ? "*" : ""
  const shown = Number.isFinite(validation) ? validation.toFixed(1) : "–"
  return [task, `${steps}`, method, `${learningRate}${edge}`, shown, interval(test)]
}

const main = async () => {
  const digits = readDigits()
  const bench: Bench = { digits, base: await openBase(digits) }
  for (const task of tasks) print({ kind: "base", task, accuracy: baseline(digits, bench.base, task) })
  const rows: Array<ReadonlyArray<string>> = []
  for (const task of tasks) {
    for (const steps of numbers(values.steps)) {
      for (const method of chosenMethods) rows.push(await row(bench, task, method, steps))
    }
  }
  console.log(`\n${setting()} · one thread of wasm\n`)
  printTable(["task", "steps", "method", "rate", "validation, %", "test, %"], rows)
}

await Effect.promise(main).pipe(Effect.provide(layer("wasm", { threads: 1 })), Effect.runPromise)
process.exit(0)
