/**
 * The step bench: what a LoRA step (r = 8, six linear types of every layer) costs on wasm and native, method by method, beside
 * stock tfjs and, where they are installed, jax-js (in the folder $JAX_JS) and PyTorch + PEFT (in $PYTHON, default python3).
 *
 *   bun run bench [--quick] [--shapes 4x32,8x128,32x128] [--base 4x128] [--rounds 3]
 *
 * `--shapes` are of MiniLM, `--base` of BERT-base's shape; either may be empty. Columns: parts as in `stopwatch.ts`; "of peak" is
 * useful operations (`useful-flop.ts`) per second over the rate of the backend's best large product (`product-rate.ts`) on as many
 * threads; ratios are taken round by round.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import {
  hasJaxJs,
  inRounds,
  measure,
  measureTorch,
  type Outcome,
  parseShapes,
  printTable,
  pythonHasTorch,
  setting,
  threadCounts
} from "./cells.ts"
import { writeBaseCheckpoint } from "./checkpoint.ts"
import {
  type CpuDevice,
  cpuDevices,
  type Method,
  type ModelName,
  median,
  type OurResult,
  type StepTimes
} from "./shapes.ts"

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    shapes: { type: "string", default: "4x32,8x128,32x128" },
    base: { type: "string", default: "4x128" },
    rounds: { type: "string", default: "3" }
  }
})
const rounds = values.quick ? 1 : Number(values.rounds)
const withTorch = pythonHasTorch()
const withJax = hasJaxJs()

interface Place {
  readonly model: ModelName
  readonly batch: number
  readonly length: number
  readonly folder?: string
}

interface Result extends Partial<StepTimes> {
  readonly milliseconds: number
  readonly peakBytes: number
  readonly flop?: number
}

interface Cell {
  readonly name: string
  /** of ours */
  readonly device?: CpuDevice
  readonly threads: number
  readonly measure: (place: Place, steps: number) => Outcome<Result>
}

const medianStep = ({ methods, peakBytes }: OurResult): Result => {
  const { steps, flop } = methods[0]!
  const of = (part: keyof StepTimes) => median(steps.map((times) => times[part]))
  return {
    milliseconds: of("milliseconds"),
    forward: of("forward"),
    backward: of("backward"),
    optimizer: of("optimizer"),
    refresh: of("refresh"),
    rest: of("rest"),
    flop,
    peakBytes
  }
}

const ours =
  (device: CpuDevice, threads: number) =>
  (method: Method, recompute: "none" | "blocks" = "none"): Cell => ({
    name: `${device}: ${method}${recompute === "none" ? "" : ", recompute blocks"}`,
    device,
    threads,
    measure: (place, steps) => {
      const result = measure({ path: "ours", device, methods: [method], threads, steps, recompute, ...place })
      return typeof result === "string" ? result : medianStep(result)
    }
  })

const stock: Cell = {
  name: "stock tfjs (LoRA)",
  threads: 1,
  measure: (place) => measure({ path: "stock", threads: 1, steps: place.model === "base" ? 1 : 2, ...place })
}

const jax = (threads: number): Cell => ({
  name: "jax-js (LoRA)",
  threads,
  measure: ({ model, batch, length }, steps) => measure({ path: "jax-js", model, batch, length, threads, steps })
})

const TORCH = "PyTorch + PEFT (LoRA)"

const torch = (threads: number): Cell => ({
  name: TORCH,
  threads,
  measure: ({ model: _, ...place }, steps) => measureTorch({ ...place, threads, steps })
})

/** `recompute: "blocks"` is shown where the issue of memory begins, at a thousand tokens of MiniLM. */
const cellsOf = ({ model, batch, length }: Place): ReadonlyArray<Cell> => [
  stock,
  ...threadCounts.flatMap((threads) => [
    ...cpuDevices.flatMap((device) => {
      const on = ours(device, threads)
      return [
        ...(["lora", "lora-pro-efficient", "lora-pro-full", "full"] as const).map((method) => on(method)),
        ...(model === "minilm" && batch * length === 1024 ? [on("lora", "blocks")] : [])
      ]
    }),
    ...(withJax ? [jax(threads)] : []),
    ...(withTorch ? [torch(threads)] : [])
  ])
]

/** GFLOP/s of the best large product by device and threads; all of them are printed. */
const measurePeaks = (place: Place) => {
  const peaks = new Map<string, number>()
  for (const device of cpuDevices)
    for (const threads of threadCounts) {
      const result = measure({ path: "products", device, threads, ...place })
      if (typeof result === "string") throw new Error(result)
      const name = `${device}, ${threads} ${threads === 1 ? "thread" : "threads"}`
      peaks.set(name, Math.max(...Object.values(result.rates)))
      const rates = Object.entries(result.rates).map(([product, rate]) => `${product} ${rate.toFixed(0)}`)
      console.log(`Products, GFLOP/s, ${name}: ${rates.join(", ")}  `)
    }
  console.log("")
  return ({ device, threads }: Cell): number =>
    peaks.get(`${device}, ${threads} ${threads === 1 ? "thread" : "threads"}`) ?? Number.NaN
}

const HEADER = ["step", "threads", "ms", "tokens/s", "forward", "backward", "optimizer", "rest", "of peak"]
const RATIOS = ["peak MB", "stock ÷ this", "÷ LoRA step", "÷ PyTorch"]

const benchPlace = (place: Place): void => {
  const { model, batch, length } = place
  console.log(`### ${model === "base" ? "BERT-base's shape" : "MiniLM"}, ${batch} × ${length} tokens\n`)
  const peakOf = measurePeaks(place)
  // small ones many times: a runtime compiles what it runs often, and their host's part counts
  const steps = values.quick || model === "base" || batch * length > 1024 ? 2 : batch * length > 256 ? 5 : 40
  const cells = cellsOf(place)
  const results = inRounds(cells, rounds, (cell) => cell.measure(place, steps))
  const of = (cell: Cell | undefined) => {
    const found = cell === undefined ? undefined : results.get(cell)
    return typeof found === "string" ? undefined : found
  }
  /** Ratio of two cells, round by round. */
  const ratio = (above: Cell | undefined, below: Cell | undefined): string => {
    const [one, other] = [of(above), of(below)]
    if (one === undefined || other === undefined) return "–"
    return `${median(one.map(({ milliseconds }, i) => milliseconds / other[i]!.milliseconds)).toFixed(2)}×`
  }
  const rows = cells.map((cell) => {
    const own = of(cell)
    const { name, threads } = cell
    if (own === undefined) return [name, `${threads}`, `${results.get(cell)}`, ...Array(10).fill("")]
    const lora = cells.find((other) => other.name === `${cell.device}: lora` && other.threads === threads)
    const reference = cells.find((other) => other.name === TORCH && other.threads === threads)
    const ratios = [ratio(stock, cell), ratio(cell, lora), ratio(cell, reference)]
    return [name, `${threads}`, ...numbersOf(own, batch * length, peakOf(cell)), ...ratios]
  })
  printTable([...HEADER, ...RATIOS], rows)
}

/** Columns from "ms" to "peak MB". */
const numbersOf = (own: ReadonlyArray<Result>, tokens: number, peak: number): ReadonlyArray<string> => {
  const of = (pick: (result: Result) => number | undefined) => {
    const known = own.map(pick).filter((value) => value !== undefined)
    return known.length === 0 ? undefined : median(known)
  }
  const shown = (value: number | undefined, digits = 0) => (value === undefined ? "–" : value.toFixed(digits))
  const ms = of(({ milliseconds }) => milliseconds)!
  const share = of(({ flop, milliseconds }) => (flop === undefined ? undefined : flop / milliseconds / 1e6 / peak))
  const parts = (["forward", "backward", "optimizer", "rest"] as const).map((part) =>
    shown(of((result) => result[part]))
  )
  const peakMemory = Math.max(...own.map(({ peakBytes }) => peakBytes)) / 1e6
  return [
    shown(ms),
    shown((1000 * tokens) / ms),
    ...parts,
    share === undefined ? "–" : `${shown(100 * share)} %`,
    shown(peakMemory)
  ]
}

console.log(`${setting()} · medians of ${rounds} rounds\n`)
if (values.shapes !== "")
  for (const [batch, length] of parseShapes(values.shapes)) benchPlace({ model: "minilm", batch, length })
if (values.base !== "") {
  const scratch = mkdtempSync(join(tmpdir(), "bench-base-"))
  try {
    const folder = join(scratch, "base")
    await writeBaseCheckpoint(folder)
    for (const [batch, length] of parseShapes(values.base)) benchPlace({ model: "base", batch, length, folder })
  } finally {
    rmSync(scratch, { recursive: true })
  }
}
