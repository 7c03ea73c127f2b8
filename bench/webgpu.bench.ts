/**
 * The WebGPU bench: what a LoRA step (r = 8, six linear types of every layer) asks of the GPU and of the CPU that
 * drives it, beside stock tfjs-webgpu (`stock-step.ts`: plain ops, `tf.variableGrads`, `tf.train.adam`).
 *
 *   bun run bench:webgpu [--quick] [--json] [--only counts,cpu,programs,memory,constant,time,decoder]
 *                        [--model minilm] [--gguf FILE] [--shape 4x32] [--memory-shape 8x128] [--paths stock,adamw,…] [--rounds 5]
 *
 *   counts     dispatches by program, submits, bytes up and down, of MiniLM and of 12 layers 768 wide
 *   cpu        CPU time of a step on Dawn's null backend, of both; no GPU needed
 *   programs   GPU time of a step by program, from timestamps
 *   memory     the largest sum of GPU buffers
 *   constant   GPU buffers after 50 and after 500 steps, on the null backend
 *   time       steps of all paths in turn on the best adapter there is, and PyTorch + PEFT where Python has CUDA
 *   decoder    a training step and a written token of SmolLM2-135M-Instruct with the decoder's kernels as programs of
 *              ours and as their references, in turn, and their GPU time by program; not without being asked for, since
 *              it wants the model (\`--gguf\`, or fetched)
 *
 * `--model base` takes the last four parts to the 12 layers of BERT-base's shape, which are GPT-2-small's widths (12 ×
 * 768, 3072) in our encoder. `--json` prints the results as one object in place of the tables.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import { type Outcome, parseShapes, printTable, run, setting } from "./cells.ts"
import { writeBaseCheckpoint } from "./checkpoint.ts"
import { type ModelName, median, modelShapes, type TimeResult } from "./shapes.ts"
import type { DecoderMeasurement, DecoderPrograms, DecoderTimes } from "./webgpu/decoder.ts"
import type { Path, ProgramTimes, StepSetting } from "./webgpu/measurement.ts"
import { measureGpu, openStepper, type Stepper } from "./webgpu/processes.ts"

const PARTS = ["counts", "cpu", "programs", "memory", "constant", "time", "decoder"] as const
type Part = (typeof PARTS)[number]
const PATHS = ["stock", "adamw", "lora-pro-efficient", "lora-pro-full", "lora-pro-sgd"] as const satisfies Array<Path>

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string", default: PARTS.filter((part) => part !== "decoder").join(",") },
    model: { type: "string", default: "minilm" },
    shape: { type: "string", default: "4x32" },
    "memory-shape": { type: "string", default: "8x128" },
    paths: { type: "string", default: PATHS.join(",") },
    rounds: { type: "string" },
    gguf: { type: "string" }
  }
})

const oneOf = <T extends string>(known: ReadonlyArray<T>, text: string): T => {
  const found = known.find((it) => it === text)
  if (found === undefined) throw new Error(`${text} is none of ${known.join(", ")}`)
  return found
}
const { quick } = values
const parts = values.only.split(",").map((text) => oneOf(PARTS, text))
const paths = values.paths.split(",").map((text) => oneOf(PATHS, text))
const model = oneOf(Object.keys(modelShapes) as Array<ModelName>, values.model)

const scratch = mkdtempSync(join(tmpdir(), "bench-webgpu-"))
const baseFolder = join(scratch, "base")
const shapeOf = (text: string) => {
  const [batch, length] = parseShapes(text)[0]!
  return { batch, length }
}
const settingOf = (path: Path, of: ModelName, adapter: StepSetting["adapter"], shape: string): StepSetting => ({
  path,
  model: of,
  adapter,
  ...shapeOf(shape),
  ...(of === "base" ? { folder: baseFolder } : {})
})

const say = (text: string) => {
  if (!values.json) console.log(text)
}
const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) => {
  if (!values.json) printTable(header, rows)
}
const rounded = (value: number, digits = 0) => value.toFixed(digits)
const megabytes = (bytes: number) => rounded(bytes / 1e6)
const nameOf = (path: Path) => (path === "stock" ? "stock tfjs-webgpu" : path)
const modelName = (of: ModelName) => (of === "base" ? "12 layers, 768 wide" : "MiniLM, 6 layers, 384 wide")
const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, n) => total + n, 0)
/** A row of a path that has no result: why. */
const failed = (path: Path, why: string, columns: number) => [nameOf(path), why, ...Array(columns - 2).fill("")]
const isFailure = <R>(outcome: Outcome<R>): outcome is string => typeof outcome === "string"

/** Outcomes of a part for every path, by the path. */
const ofPaths = <R>(measured: (path: Path) => Outcome<R>) => {
  const found: Partial<Record<Path, Outcome<R>>> = {}
  for (const path of paths) found[path] = measured(path)
  return found
}
const rowsOf = <R>(
  found: Partial<Record<Path, Outcome<R>>>,
  columns: number,
  row: (own: R, path: Path) => Array<string>
) =>
  paths.map((path) => {
    const own = found[path]!
    return isFailure(own) ? failed(path, own, columns) : [nameOf(path), ...row(own, path)]
  })

const benchCounts = (of: ModelName) => {
  const adapter = of === "base" ? "best" : "null" // which has 512 MB, for weights of 370
  const found = ofPaths((path) =>
    measureGpu<"counts">({
      what: "counts",
      ...settingOf(path, of, adapter, values.shape),
      steps: of === "base" ? 1 : 8
    })
  )
  const total = (path: Path) => {
    const own = found[path]
    return own === undefined || isFailure(own) ? undefined : sum(Object.values(own.dispatches))
  }
  const adamw = total("adamw")
  say(`### Commands of a step: ${modelName(of)}, ${values.shape}\n`)
  const header = [
    "step",
    "dispatches",
    "over AdamW's",
    "submits",
    "bind groups",
    "uploads",
    "KB up",
    "reads",
    "KB down"
  ]
  const rows = rowsOf(found, header.length, (own, path) => [
    rounded(total(path)!),
    adamw === undefined || path === "stock" ? "–" : rounded(total(path)! - adamw),
    ...[own.submits, own.bindGroups, own.uploads].map((count) => rounded(count)),
    rounded(own.uploadedBytes / 1e3),
    rounded(own.reads, 1),
    rounded(own.readBytes / 1e3, 1)
  ])
  table(header, rows)
  const counts = paths.map((path) => {
    const own = found[path]!
    return isFailure(own) ? {} : own.dispatches
  })
  const names = [...new Set(counts.flatMap((own) => Object.keys(own)))]
  const most = (name: string) => Math.max(...counts.map((own) => own[name] ?? 0))
  const programs = names
    .toSorted((a, b) => most(b) - most(a))
    .map((name) => [name, ...counts.map((own) => (own[name] === undefined ? "–" : rounded(own[name])))])
  table(["program", ...paths.map(nameOf)], programs)
  return found
}

/**
 * The null backend has 512 MB: after weights of 370, a few tokens fit. CPU time depends on them no more than on the
 * widths.
 */
const FEW_TOKENS = "1x16"

const benchCpu = (of: ModelName) => {
  const steps = quick ? 40 : 160
  const shape = of === "base" ? FEW_TOKENS : values.shape
  const found = ofPaths((path) => measureGpu<"cpu">({ what: "cpu", ...settingOf(path, of, "null", shape), steps }))
  say(`### CPU time of a step on Dawn's null backend: ${modelName(of)}, ${shape}, ${steps} steps\n`)
  const header = ["step", "ms", "CPU ms, its thread", "CPU ms, all threads"]
  table(
    header,
    rowsOf(found, header.length, ({ milliseconds, threadMilliseconds, cpuMilliseconds }) =>
      [milliseconds, threadMilliseconds, cpuMilliseconds].map((own) => rounded(own, 1))
    )
  )
  return found
}

const tableOfPrograms = (programs: ProgramTimes) => {
  const times = Object.entries(programs).toSorted(([, a], [, b]) => b.milliseconds - a.milliseconds)
  const all = sum(times.map(([, { milliseconds }]) => milliseconds))
  const rows = times.map(([name, { calls, milliseconds }]) => [
    name,
    rounded(calls),
    rounded(milliseconds, 2),
    `${rounded((100 * milliseconds) / all, 1)} %`
  ])
  const calls = sum(times.map(([, time]) => time.calls))
  table(["program", "calls", "ms", "share"], [...rows, ["all", rounded(calls), rounded(all, 2), "100 %"]])
}

const benchPrograms = () => {
  const found = ofPaths((path) =>
    measureGpu<"programs">({
      what: "programs",
      ...settingOf(path, model, "best", values.shape),
      steps: quick ? 1 : 3
    })
  )
  for (const path of paths) {
    say(`### GPU time of a step by program: ${nameOf(path)}, ${modelName(model)}, ${values.shape}\n`)
    const own = found[path]!
    if (isFailure(own)) {
      say(`${own}\n`)
      continue
    }
    tableOfPrograms(own.programs)
  }
  return found
}

const benchMemory = () => {
  const shape = values["memory-shape"]
  const cells = paths.flatMap((path): Array<StepSetting> => {
    const own = settingOf(path, model, "best", shape)
    return path === "stock" ? [own] : [own, { ...own, recompute: "blocks" }]
  })
  const found = cells.map((cell) => measureGpu<"memory">({ what: "memory", ...cell, at: [2] }))
  const stock = found[paths.indexOf("stock")]
  say(`### GPU memory: ${modelName(model)}, ${shape}\n`)
  const header = ["step", "recompute", "peak MB", "of stock"]
  const rows = cells.map(({ path, recompute = "none" }, i) => {
    const own = found[i]!
    if (isFailure(own)) return [nameOf(path), recompute, own, ""]
    const share =
      stock === undefined || isFailure(stock) ? "–" : `${rounded((100 * own.peakBytes) / stock.peakBytes)} %`
    return [nameOf(path), recompute, megabytes(own.peakBytes), share]
  })
  table(header, rows)
  return cells.map(({ path, recompute = "none" }, i) => ({ path, recompute, outcome: found[i]! }))
}

const benchConstant = () => {
  const at = quick ? [20, 100] : [50, 500]
  const found = ofPaths((path) =>
    measureGpu<"memory">({ what: "memory", ...settingOf(path, model, "null", values.shape), at })
  )
  say(`### GPU buffers over the steps, on Dawn's null backend: ${modelName(model)}, ${values.shape}\n`)
  const header = ["step", ...at.map((step) => `bytes after ${step} steps`), "peak"]
  table(
    header,
    rowsOf(found, header.length, (own) => [...own.allocatedBytes, own.peakBytes].map((bytes) => `${bytes}`))
  )
  return found
}

const python = process.env["PYTHON"] ?? "python3"

/** PyTorch + PEFT on the GPU, where Python has both. */
const measureTorchOnGpu = (steps: number): Outcome<TimeResult> | undefined => {
  const asks = "import sys, torch, transformers, peft; sys.exit(0 if torch.cuda.is_available() else 1)"
  if (spawnSync(python, ["-c", asks]).status !== 0) return undefined
  const { batch, length, folder } = settingOf("adamw", model, "best", values.shape)
  const options = { batch, length, steps, device: "cuda", ...(folder === undefined ? {} : { folder }) }
  return run(python, [
    new URL("torch_step.py", import.meta.url).pathname,
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`])
  ])
}

/**
 * A step's milliseconds by path, round by round, all paths in turn; a software adapter takes one step a turn, a GPU
 * more.
 */
const turns = async (steppers: ReadonlyArray<readonly [Path, Stepper]>, rounds: number) => {
  const times = new Map(steppers.map(([path]) => [path, [] as Array<number>]))
  for (let round = 0; round < rounds; round++)
    for (const [path, stepper] of steppers)
      times.get(path)!.push(await stepper.take(steppers.some(([, { software }]) => software) ? 1 : 20))
  return times
}

const benchTime = async () => {
  const rounds = Number(values.rounds ?? (quick ? 2 : 5))
  const { batch, length, ...where } = settingOf("adamw", model, "best", values.shape)
  const products = measureGpu<"products">({ what: "products", batch, length, ...where })
  const peak = isFailure(products) ? undefined : Math.max(...Object.values(products.rates))
  const outcomes = new Map<Path, Outcome<Stepper>>()
  for (const path of paths) outcomes.set(path, await openStepper(settingOf(path, model, "best", values.shape)))
  const steppers = [...outcomes].flatMap(([path, it]) => (isFailure(it) ? [] : [[path, it] as const]))
  const times = await turns(steppers, rounds)
  for (const [, stepper] of steppers) stepper.end()
  const torch = measureTorchOnGpu(rounds * 20)

  const gpu = isFailure(products) ? products : products.gpu
  say(`### Time of a step: ${modelName(model)}, ${values.shape}, ${rounds} rounds in turn on ${gpu}\n`)
  if (!isFailure(products)) {
    const rates = Object.entries(products.rates).map(([product, rate]) => `${product} ${rounded(rate, 1)}`)
    say(`Products, GFLOP/s: ${rates.join(", ")}\n`)
  }
  const stock = times.get("stock")
  const flop = Math.max(0, ...steppers.map(([, stepper]) => stepper.flop))
  const header = ["step", "ms", "tokens/s", "of peak", "stock ÷ this"]
  const row = (milliseconds: number, ratio: string) => [
    rounded(milliseconds, milliseconds < 100 ? 2 : 0),
    rounded((1000 * batch * length) / milliseconds),
    peak === undefined || flop === 0 ? "–" : `${rounded((100 * flop) / milliseconds / 1e6 / peak)} %`,
    ratio
  ]
  const rows = paths.map((path) => {
    const own = times.get(path)
    if (own === undefined) return failed(path, `${outcomes.get(path)}`, header.length)
    const ratio = stock === undefined ? "–" : `${rounded(median(own.map((ms, i) => stock[i]! / ms)), 2)}×`
    return [nameOf(path), ...row(median(own), ratio)]
  })
  const torchRow = () => {
    if (torch === undefined) return []
    const name = "PyTorch + PEFT (LoRA), float32"
    if (isFailure(torch)) return [[name, torch, "", "", ""]]
    const ratio = stock === undefined ? "–" : `${rounded(median(stock) / torch.milliseconds, 2)}×`
    return [[name, ...row(torch.milliseconds, ratio)]]
  }
  table(header, [...rows, ...torchRow()])
  return {
    gpu,
    products,
    flop,
    rounds,
    milliseconds: Object.fromEntries(times),
    ...(torch === undefined ? {} : { torch })
  }
}

const decoderFile = new URL("webgpu/decoder.ts", import.meta.url).pathname

const benchDecoder = async () => {
  const gguf = values.gguf ?? (await fetchSmolLm2(join(import.meta.dirname, "../examples/models/smollm2")))
  const rounds = Number(values.rounds ?? (quick ? 2 : 5))
  const measured = <R>(measurement: DecoderMeasurement) =>
    run<R>(process.execPath, [decoderFile, gguf, JSON.stringify(measurement)])
  const header = ["work", "kernels as references, ms", "as programs, ms", "references ÷ programs", "peak MB", "peak MB"]
  const works = ["training", "writing"] as const
  const found = works.map((work) => {
    const own = { work, weights: "int8", ...shapeOf(values.shape) } as const
    const times = measured<DecoderTimes>({ what: "time", ...own, rounds })
    const programs = measured<DecoderPrograms>({ what: "programs", ...own, rounds: 1 })
    return { work, times, programs }
  })
  const rows = found.map(({ work, times }) => {
    if (isFailure(times)) return [work, times, "", "", "", ""]
    const { references, programs } = times.milliseconds
    return [
      work,
      ...[references, programs].map((own) => rounded(median([...own]))),
      `${rounded(median(references.map((ms, i) => ms / programs[i]!)), 2)}×`,
      ...[times.peakBytes.references, times.peakBytes.programs].map(megabytes)
    ]
  })
  say(`### SmolLM2-135M-Instruct, int8, LoRA r = 8, ${values.shape}, ${rounds} rounds in turn\n`)
  table(header, rows)
  for (const { work, programs } of found) {
    say(`### GPU time by program: ${work}\n`)
    if (isFailure(programs)) say(`${programs}\n`)
    else {
      say(`${programs.reads} reads\n`)
      tableOfPrograms(programs.programs)
    }
  }
  return found
}

const bench = async (part: Part): Promise<unknown> => {
  switch (part) {
    case "counts":
      return { minilm: benchCounts("minilm"), base: benchCounts("base") }
    case "cpu":
      return { minilm: benchCpu("minilm"), base: benchCpu("base") }
    case "programs":
      return benchPrograms()
    case "memory":
      return benchMemory()
    case "constant":
      return benchConstant()
    case "time":
      return benchTime()
    case "decoder":
      return benchDecoder()
  }
}

try {
  if (model === "base" || parts.includes("counts") || parts.includes("cpu")) await writeBaseCheckpoint(baseFolder)
  say(`${setting()}\n`)
  const results: Record<string, unknown> = { setting: setting(), options: values }
  for (const part of parts) results[part] = await bench(part)
  if (values.json) console.log(JSON.stringify(results))
} finally {
  rmSync(scratch, { recursive: true })
}
