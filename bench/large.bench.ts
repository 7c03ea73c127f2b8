/**
 * Steps of a large language model whose weights stay in its mapped file: time until the first step, time of a step, the share of the product
 * rate that it reaches, and memory: what the process has for itself, and with the pages of the file. Linux.
 *
 *   bun bench/large/llama-file.ts --type q4_0 --out llama.gguf
 *   bun bench/large.bench.ts --gguf llama.gguf [--steps 2] [--threads 2] [--resume] [--set adapter.rank=4]
 *
 * Rows are the word problems of the examples, packed to 512 tokens; LoRA-Pro's efficient form, rank 8, `recompute: "blocks"`. A step's
 * operations are those of frozen products, recomputed ones counted; the rate is that of the same products alone, over matrices of the file's
 * own types. `--resume` kills a second run after its first checkpoint, resumes it, and compares the adapters.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Device, platform } from "../src/index.ts"
import { frozenLinear } from "../src/kernels/index.ts"
import { describeCausal, loadCausal, openSource } from "../src/models/causal/index.ts"
import { valueAndGradients } from "../src/tensors/gradients.ts"
import { printTable, setting } from "./cells.ts"

const { values } = parseArgs({
  options: {
    gguf: { type: "string" },
    steps: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    resume: { type: "boolean", default: false },
    set: { type: "string", multiple: true, default: [] }
  }
})
const { gguf } = values
if (gguf === undefined) throw new Error("usage: bun bench/large.bench.ts --gguf FILE.gguf")
const threads = Number(values.threads)
const LENGTH = 512

const folder = mkdtempSync(join(tmpdir(), "large-"))
const planFile = join(folder, "plan.json")
const rows = new URL("../examples/word-problems/train.jsonl", import.meta.url).pathname
const plan = {
  seed: 0,
  model: { source: gguf },
  data: { format: "chat", train: rows, packing: true, maxLength: LENGTH },
  adapter: { method: "lora", rank: 8, alpha: 16 },
  optimizer: { kind: "lora-pro", form: "efficient", learningRate: 2e-5, weightDecay: 0 },
  training: { steps: Number(values.steps), batchSize: 1, accumulate: 1, recompute: "blocks", threads },
  output: { directory: join(folder, "runs"), checkpointEvery: 1, keep: 2 }
}
writeFileSync(planFile, JSON.stringify(plan))
const command = new URL("../src/bin/tfjs-lora-pro.ts", import.meta.url).pathname

const start = (args: ReadonlyArray<string>) =>
  Bun.spawn([process.execPath, command, "train", ...args, "--device", "native"], { stdout: "ignore", stderr: "ignore" })

const fieldsOf = (pid: number): Record<string, number> => {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")
    return Object.fromEntries(
      [...text.matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, name, kB]) => [name!, 1024 * Number(kB)])
    )
  } catch {
    return {}
  }
}

const stepsOf = (run: string): ReadonlyArray<{ readonly milliseconds: number; readonly tokens: number }> => {
  try {
    const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n")
    return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "step")
  } catch {
    return []
  }
}

/** Trains to the end, or until a step is done; returns peaks of memory and when steps were seen. */
const train = async (run: string, args: ReadonlyArray<string>, killAfter = Number.POSITIVE_INFINITY) => {
  const began = performance.now()
  const child = start(args)
  const peaks = { own: 0, resident: 0 }
  let first: number | undefined
  let ended = false
  void child.exited.then(() => {
    ended = true
  })
  while (!ended) {
    const { Anonymous: own = 0, Rss: resident = 0 } = fieldsOf(child.pid)
    peaks.own = Math.max(peaks.own, own)
    peaks.resident = Math.max(peaks.resident, resident)
    const steps = stepsOf(run)
    first ??= steps.length > 0 ? performance.now() - began - steps[0]!.milliseconds : undefined
    if (steps.length >= killAfter) child.kill("SIGKILL")
    await Bun.sleep(200)
  }
  return { code: await child.exited, peaks, first: first ?? 0, steps: stepsOf(run) }
}

/** Rate of the products of the model's second block, forward and input gradient, in operations per second, and operations of a step. */
const products = () =>
  Effect.gen(function* () {
    const source = yield* openSource(gguf)
    const model = yield* loadCausal(source, yield* describeCausal(source))
    const sites = model.sites.filter(({ name }) => name.startsWith("layers.1."))
    let [milliseconds, flop] = [0, 0]
    for (const site of sites) {
      const W = model.packed!.get(`${site.name}.weight`)!
      const x = tf.randomNormal<tf.Rank.R2>([LENGTH, site.in])
      const pass = () => {
        const { value, gradients } = valueAndGradients(() => tf.sum(frozenLinear(x, W, null)), [x])
        tf.dispose([value, ...gradients])
      }
      pass()
      const times = Array.from({ length: 5 }, () => {
        const began = performance.now()
        pass()
        return performance.now() - began
      })
      milliseconds += Math.min(...times)
      flop += 2 * 2 * LENGTH * site.in * site.out
      x.dispose()
    }
    const frozen = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
    // forward, again for the backward pass, and the input gradient; the output layer is not recomputed
    const ofStep = 2 * LENGTH * (3 * frozen + 2 * model.vocabularySize * model.hiddenSize)
    return { rate: (flop / milliseconds) * 1000, ofStep }
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer("native", { threads })),
    Effect.provide(platform),
    Effect.runPromise
  )

try {
  const run = join(folder, "whole")
  const sets = values.set.flatMap((one) => ["--set", one])
  const { code, peaks, first, steps } = await train(run, [planFile, "--out", run, ...sets])
  if (code !== 0) throw new Error(`train ended with exit code ${code}`)
  const { rate, ofStep } = await products()
  const step = Math.min(...steps.map(({ milliseconds }) => milliseconds)) / 1000
  const GB = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`
  console.log(setting())
  printTable(
    [
      "first step after",
      "step of 512 tokens",
      "operations of a step",
      "GFLOP/s",
      "of the product rate",
      "own memory",
      "with the file's pages"
    ],
    [
      [
        `${(first / 1000).toFixed(1)} s`,
        `${step.toFixed(1)} s`,
        `${(ofStep / 1e12).toFixed(1)}·10¹²`,
        (ofStep / step / 1e9).toFixed(0),
        `${((100 * ofStep) / step / rate).toFixed(0)} % of ${(rate / 1e9).toFixed(0)}`,
        GB(peaks.own),
        GB(peaks.resident)
      ]
    ]
  )
  if (values.resume) {
    const cut = join(folder, "cut")
    await train(cut, [planFile, "--out", cut, ...sets], 1)
    const resumed = await train(cut, ["--resume", cut])
    const adapter = (of: string) => readFileSync(join(of, "adapter/adapter_model.safetensors"))
    const same = adapter(run).equals(adapter(cut))
    console.log(`killed after its first step and resumed: ${same ? "the same bytes" : "other bytes"}`)
    if (!same || resumed.code !== 0) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
}
