/**
 * The causal bench: a training step on SmolLM2-135M-Instruct (LoRA r = 8 on all linear layers of the blocks) on wasm and native, beside
 * PyTorch + PEFT on the same weights where Python has them ($PYTHON, default python3; torch, transformers, peft and gguf).
 *
 *   bun bench/smollm2.bench.ts [--shapes 1x128,4x128] [--threads 1,2] [--rounds 3] [--steps 4] [--devices wasm,native] [--gguf FILE]
 *
 * Each cell is a process of its own. "÷ PyTorch": of the same shape, threads and round. Weights in f16, int8 and q4 are measured for LoRA.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import { inRounds, type Outcome, parseShapes, printTable, run, setting } from "./cells.ts"
import { type CpuDevice, cpuDevices, median } from "./shapes.ts"
import type { Smollm2Measurement, Smollm2Result } from "./smollm2/step.ts"

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "1x128,4x128" },
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "4" },
    devices: { type: "string", default: "wasm,native" },
    gguf: { type: "string" }
  }
})

const here = (file: string) => join(import.meta.dirname, file)
const gguf = values.gguf ?? (await fetchSmolLm2(here("../examples/models/smollm2")))
const steps = Number(values.steps)
const devices = cpuDevices.filter((device) => values.devices.split(",").includes(device))
const python = process.env["PYTHON"] ?? "python3"
const withTorch = spawnSync(python, ["-c", "import torch, transformers, peft, gguf, tokenizers"]).status === 0
if (!withTorch) {
  console.error(`PyTorch is left out: ${python} cannot import torch, transformers, peft, gguf and tokenizers`)
}

interface Cell {
  readonly name: string
  readonly threads: number
  readonly measure: () => Outcome<Smollm2Result>
}

type Place = Pick<Smollm2Measurement, "batch" | "length" | "threads">

const ours =
  (place: Place, device: CpuDevice) =>
  (method: Smollm2Measurement["method"], weights: Smollm2Measurement["weights"]): Cell => ({
    name: `${device}: ${method}${weights === "f32" ? "" : `, weights ${weights}`}`,
    threads: place.threads,
    measure: () => {
      const measurement: Smollm2Measurement = { ...place, device, method, weights, steps }
      return run(process.execPath, [here("smollm2/step.ts"), gguf, JSON.stringify(measurement)])
    }
  })

const torch = (place: Place): Cell => ({
  name: "PyTorch + PEFT (LoRA)",
  threads: place.threads,
  measure: () => {
    const options = Object.entries({ ...place, steps }).flatMap(([name, value]) => [`--${name}`, `${value}`])
    return run(python, [here("smollm2/torch_step.py"), gguf, ...options])
  }
})

const cellsOf = (place: Place): ReadonlyArray<Cell> => [
  ...(withTorch ? [torch(place)] : []),
  ...devices.flatMap((device) => {
    const on = ours(place, device)
    return [
      on("lora", "f32"),
      on("lora-pro-efficient", "f32"),
      on("lora-pro-full", "f32"),
      ...(["f16", "int8", "q4"] as const).map((weights) => on("lora", weights))
    ]
  })
]

const benchPlace = (place: Place): void => {
  const { batch, length, threads } = place
  console.log(`### ${batch} × ${length} tokens, ${threads} ${threads === 1 ? "thread" : "threads"}\n`)
  const cells = cellsOf(place)
  const results = inRounds(cells, Number(values.rounds), ({ measure }) => measure())
  const reference = withTorch ? results.get(cells[0]!) : undefined
  const rows = cells.map((cell) => {
    const own = results.get(cell)!
    if (typeof own === "string") return [cell.name, own, "", "", "", ""]
    const of = (pick: (result: Smollm2Result) => number) => median(own.map(pick))
    const ratio =
      reference === undefined || typeof reference === "string"
        ? "–"
        : `${median(own.map(({ milliseconds }, i) => milliseconds / reference[i]!.milliseconds)).toFixed(2)}×`
    const ms = of(({ milliseconds }) => milliseconds)
    return [
      cell.name,
      ms.toFixed(0),
      ((1000 * batch * length) / ms).toFixed(0),
      ratio,
      (Math.max(...own.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0),
      (of(({ loading }) => loading) / 1000).toFixed(1)
    ]
  })
  printTable(["step", "ms", "tokens/s", "÷ PyTorch", "peak MB", "loading s"], rows)
}

console.log(`${setting()} · medians of ${values.rounds} rounds\n`)
for (const [batch, length] of parseShapes(values.shapes)) {
  for (const threads of values.threads.split(",").map(Number)) benchPlace({ batch, length, threads })
}
