/**
 * The image example measured: a `tf.LayersModel` that knows upright digits (`examples/digits/`) learns turned or
 * inverted ones in its convolutions and dense layers, and how much of full fine-tuning's gain the factors recover.
 *
 *   bun bench/layers-model-digits.bench.ts [--method lora,lora-pro-full] [--task turned,inverted] [--steps 200]
 *                                          [--rank 4] [--init kaiming,pissa] [--learning-rate 0.004,0.008]
 *                                          [--seeds 0,1] [--test-seeds 10,11,12,13,14]
 *
 * Of the rates (each method has its own grid, if none is given) the best by validation accuracy over `--seeds` is
 * taken, and scored on the test images with `--test-seeds`, which chose nothing. JSON lines as runs end, then a
 * Markdown table: mean and 95 % interval over the test seeds; a star where the best rate is at the edge of its grid.
 * Recovered: (method − base) / (full − base).
 */
import { parseArgs } from "node:util"
import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { full, inject, lora } from "../adapters/index.ts"
import { accuracyOf, type Digits, inTask, readDigits, shuffled, type Task, taskOf } from "../examples/digits/images.ts"
import { crossEntropy, openBase } from "../examples/digits/network.ts"
import { layer } from "../src/device/bun.ts"
import { fromLayersModel, type LayersNetwork } from "../src/models/index.ts"
import { steps as stepsOf } from "../src/training/index.ts"
import { printTable, setting } from "./cells.ts"
import { isMethod, type MethodName, methods, optimizerOf } from "./digits/methods.ts"
import { interval, mean } from "./digits/statistics.ts"

const { values } = parseArgs({
  options: {
    method: { type: "string", default: "full,lora,lora-pro-invariant,lora-pro-full" },
    task: { type: "string", default: "turned,inverted" },
    steps: { type: "string", default: "200" },
    rank: { type: "string", default: "4" },
    init: { type: "string", default: "kaiming" },
    "learning-rate": { type: "string" },
    seeds: { type: "string", default: "0,1" },
    "test-seeds": { type: "string", default: "10,11,12,13,14" }
  }
})

const numbers = (text: string): ReadonlyArray<number> => text.split(",").filter(Boolean).map(Number)
const print = (line: object): void => console.log(JSON.stringify(line))
const steps = Number(values.steps)
const rank = Number(values.rank)
const BATCH = 32

const chosenMethods = values.method.split(",").map((name): MethodName => {
  if (isMethod(name)) return name
  throw new Error(`--method: found ${name}; expected some of ${Object.keys(methods).join(", ")}`)
})

type Start = "kaiming" | "pissa"

interface Run {
  readonly task: Task
  readonly method: MethodName
  readonly init: Start
  readonly learningRate: number
  readonly seed: number
  readonly split: "validation" | "test"
}

/** α = 2r, as the other bench of the digits has it. */
const injected = (network: LayersNetwork, { method, init, seed }: Run) => {
  if (methods[method].trained === "weights") return inject(network, full, { targets: "all-linear" })
  const options = {
    rank,
    alpha: 2 * rank,
    scaling: "standard",
    init: { kind: init },
    targets: "all-linear",
    seed
  } as const
  return inject(network, lora, options)
}

/** Accuracy in percent after the run, and what it trained. */
const measured = (network: LayersNetwork, digits: Digits, run: Run) =>
  Effect.gen(function* () {
    const began = performance.now()
    const task = taskOf(run.task, digits)
    const adapted = yield* injected(network, run)
    const optimizer = optimizerOf(run.method, run.learningRate, steps)
    yield* Stream.fromIterable(shuffled(task.train, BATCH, run.seed)).pipe(
      stepsOf(adapted, { optimizer, loss: crossEntropy }),
      Stream.take(steps),
      Stream.runDrain
    )
    const seconds = (performance.now() - began) / 1000
    const predict = (x: tf.Tensor) => adapted.forward([x], adapted.trainable)[0]!
    const accuracy = 100 * (yield* Effect.promise(() => accuracyOf(predict, task[run.split])))
    print({ kind: "run", ...run, rank, steps, accuracy, seconds })
    return accuracy
  }).pipe(Effect.scoped)

const overSeeds = (network: LayersNetwork, digits: Digits, run: Omit<Run, "seed">, seeds: ReadonlyArray<number>) =>
  Effect.forEach(seeds, (seed) => measured(network, digits, { ...run, seed }))

/** The rate that validation picks, and the accuracies on the test images with it. */
const best = (network: LayersNetwork, digits: Digits, task: Task, method: MethodName, init: Start) =>
  Effect.gen(function* () {
    const rates = values["learning-rate"] === undefined ? methods[method].rates : numbers(values["learning-rate"])
    let chosen = { learningRate: rates[0]!, validation: Number.NEGATIVE_INFINITY }
    for (const learningRate of rates.length > 1 ? rates : []) {
      const run = { task, method, init, learningRate, split: "validation" } as const
      const validation = mean(yield* overSeeds(network, digits, run, numbers(values.seeds)))
      if (validation > chosen.validation) chosen = { learningRate, validation }
    }
    const { learningRate } = chosen
    const edge = rates.length > 1 && (learningRate === rates[0] || learningRate === rates.at(-1)) ? "*" : ""
    const run = { task, method, init, learningRate, split: "test" } as const
    const test = yield* overSeeds(network, digits, run, numbers(values["test-seeds"]))
    return { rate: `${learningRate}${edge}`, test }
  })

const program = Effect.gen(function* () {
  const digits = readDigits()
  const base = yield* Effect.promise(openBase)
  const network = yield* fromLayersModel(base)
  const rows: Array<ReadonlyArray<string>> = []
  for (const task of values.task.split(",") as ReadonlyArray<Task>) {
    const predict = (x: tf.Tensor) => base.predict(x) as tf.Tensor
    const before = 100 * (yield* Effect.promise(() => accuracyOf(predict, inTask(digits.test, task))))
    let ceiling: number | undefined
    for (const method of chosenMethods) {
      const factors = methods[method].trained === "factors"
      for (const init of (factors ? values.init.split(",") : ["kaiming"]) as ReadonlyArray<Start>) {
        const { rate, test } = yield* best(network, digits, task, method, init)
        if (method === "full") ceiling = mean(test)
        const share =
          ceiling === undefined ? "–" : `${((100 * (mean(test) - before)) / (ceiling - before)).toFixed(1)} %`
        rows.push([task, method, factors ? init : "–", rate, before.toFixed(1), interval(test), share])
      }
    }
  }
  console.log(`\n${setting()} · one thread of wasm · ${steps} steps of ${BATCH} · r = ${rank}\n`)
  printTable(["task", "method", "start", "rate", "base, %", "test, %", "recovered"], rows)
})

await program.pipe(Effect.scoped, Effect.provide(layer("wasm", { threads: 1 })), Effect.runPromise)
process.exit(0)
