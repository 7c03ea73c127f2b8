/**
 * Steps of a large language model whose weights stay in its mapped file: time until the first step, time of a step, the share of the product
 * rate that it reaches, and memory: what the process has for itself, and with the pages of the file. Linux.
 *
 *   bun bench/large/llama-file.ts --type q4_0 --out llama.gguf
 *   bun bench/large.bench.ts --gguf llama.gguf [--steps 2] [--threads 2] [--resume] [--ranks 4] [--set adapter.rank=4]
 *
 * Rows are the word problems of the examples, packed to 512 tokens; LoRA-Pro's efficient form, rank 8, `recompute: "blocks"`. A step's
 * operations are those of frozen products, recomputed ones counted; the rate is that of the same products alone, over matrices of the file's
 * own types. `--ranks N` trains with N processes of one thread instead, which share the file, and with one process on as many rows: `sum of
 * shares` counts a page that several processes have mapped once. `--resume` kills a second run after its first checkpoint, resumes it, and compares the adapters.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
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
    ranks: { type: "string", default: "1" },
    set: { type: "string", multiple: true, default: [] }
  }
})
const { gguf } = values
if (gguf === undefined) throw new Error("usage: bun bench/large.bench.ts --gguf FILE.gguf")
const ranks = Number(values.ranks)
const threads = ranks > 1 ? 1 : Number(values.threads)
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
  training: { steps: Number(values.steps), batchSize: 1, accumulate: ranks, recompute: "blocks", threads },
  output: { directory: join(folder, "runs"), checkpointEvery: 1, keep: 2 }
}
writeFileSync(planFile, JSON.stringify(plan))
const command = new URL("../src/bin/tfjs-lora-pro.ts", import.meta.url).pathname

const start = (args: ReadonlyArray<string>, processes: number) => {
  const launcher = processes > 1 ? ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", `${processes}`] : []
  const train = [process.execPath, command, "train", ...args, "--device", "native"]
  return Bun.spawn([...launcher, ...train], { stdout: "ignore", stderr: "ignore" })
}

/** Processes that train, without the one that launches them. */
const trainingOf = (run: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
        return words[1] === command && words.includes(run) ? [Number(pid)] : []
      } catch {
        return [] // it ended
      }
    })

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
const train = async (
  run: string,
  args: ReadonlyArray<string>,
  { processes = 1, killAfter = Number.POSITIVE_INFINITY } = {}
) => {
  const began = performance.now()
  const child = start(args, processes)
  const peaks = { own: 0, resident: 0, shares: 0 }
  let first: number | undefined
  let ended = false
  void child.exited.then(() => {
    ended = true
  })
  while (!ended) {
    const memory = trainingOf(run).map(fieldsOf)
    const atLeast = (peak: keyof typeof peaks, now: ReadonlyArray<number>) => {
      peaks[peak] = Math.max(peaks[peak], ...now)
    }
    atLeast(
      "own",
      memory.map(({ Anonymous: own = 0 }) => own)
    )
    atLeast(
      "resident",
      memory.map(({ Rss: resident = 0 }) => resident)
    )
    atLeast("shares", [memory.reduce((sum, { Pss: share = 0 }) => sum + share, 0)])
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

const GB = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`
const sets = values.set.flatMap((one) => ["--set", one])

/** Trains the plan from its beginning into a folder of that name. */
const trainNew = async (name: string, options: Parameters<typeof train>[2] = {}) => {
  const run = join(folder, name)
  const result = await train(run, [planFile, "--out", run, ...sets], options)
  if (result.code !== 0 && options.killAfter === undefined) throw new Error(`train ended with code ${result.code}`)
  const step = Math.min(...result.steps.map(({ milliseconds }) => milliseconds)) / 1000
  return { ...result, run, step, adapter: () => readFileSync(join(run, "adapter/adapter_model.safetensors")) }
}

const printSteps = async (): Promise<void> => {
  const whole = await trainNew("whole")
  const { peaks, first, step } = whole
  const { rate, ofStep } = await products()
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
    const cut = await trainNew("cut", { killAfter: 1 })
    const resumed = await train(cut.run, ["--resume", cut.run])
    const isSame = whole.adapter().equals(cut.adapter())
    console.log(`killed after its first step and resumed: ${isSame ? "the same bytes" : "other bytes"}`)
    if (!isSame || resumed.code !== 0) process.exitCode = 1
  }
}

/** Of one process and of several over the same file, one row each in a step. */
const printRanks = async (): Promise<void> => {
  const results = [await trainNew("one"), await trainNew("several", { processes: ranks })]
  const [one, several] = results as [(typeof results)[0], (typeof results)[0]]
  printTable(
    ["processes", "step", "own memory of the largest", "with the file's pages", "sum of shares"],
    results.map(({ step, peaks }, i) => [
      `${[1, ranks][i]}`,
      `${step.toFixed(1)} s`,
      GB(peaks.own),
      GB(peaks.resident),
      GB(peaks.shares)
    ])
  )
  const isSame = one.adapter().equals(several.adapter())
  console.log(`adapters: ${isSame ? "the same bytes" : "other bytes"}`)
  if (!isSame) process.exitCode = 1
}

try {
  console.log(setting())
  await (ranks > 1 ? printRanks() : printSteps())
} finally {
  rmSync(folder, { recursive: true })
}
