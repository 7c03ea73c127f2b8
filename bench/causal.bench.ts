/**
 * A training step of a language model (LoRA on all linear layers of the blocks) on wasm and native, compared with PyTorch + PEFT on the same
 * weights where Python has them ($PYTHON, default python3; torch, transformers, peft and gguf).
 *
 *   bun bench/causal.bench.ts [--model FILE.gguf|FOLDER] [--rank 8] [--shapes 1x128,4x128] [--threads 1,2] [--rounds 3] [--steps 4]
 *     [--devices wasm,native] [--methods lora,lora-pro-efficient,lora-pro-full] [--weights f32,f16,int8,q4] [--recompute none]
 *     [--torch float32]
 *
 * The model is SmolLM2-135M-Instruct unless given; `large/qwen3-folder.ts` writes another. Each cell is a process of its own. "÷ PyTorch":
 * of the same shape, threads and round, in the first of the precisions of --torch. Weights but the first are measured for the first method.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import type { CausalMeasurement, CausalResult } from "./causal/step.ts"
import { inRounds, type Outcome, parseShapes, printTable, run, setting } from "./cells.ts"
import { type CpuDevice, cpuDevices, median } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    rank: { type: "string", default: "8" },
    shapes: { type: "string", default: "1x128,4x128" },
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "4" },
    devices: { type: "string", default: "wasm,native" },
    methods: { type: "string", default: "lora,lora-pro-efficient,lora-pro-full" },
    weights: { type: "string", default: "f32,f16,int8,q4" },
    recompute: { type: "string", default: "none" },
    torch: { type: "string", default: "float32" }
  }
})

const here = (file: string) => join(import.meta.dirname, file)
const model = values.model ?? (await fetchSmolLm2(here("../examples/models/smollm2")))
const steps = Number(values.steps)
const rank = Number(values.rank)
const listOf = <Item extends string>(text: string) => text.split(",").filter((item) => item !== "") as Array<Item>
const devices = cpuDevices.filter((device) => listOf(values.devices).includes(device))
const methods = listOf<CausalMeasurement["method"]>(values.methods)
const weightForms = listOf<CausalMeasurement["weights"]>(values.weights)
const recompute = values.recompute as CausalMeasurement["recompute"]
const python = process.env["PYTHON"] ?? "python3"
const withTorch = spawnSync(python, ["-c", "import torch, transformers, peft, gguf, tokenizers"]).status === 0
if (!withTorch) {
  console.error(`PyTorch is left out: ${python} cannot import torch, transformers, peft, gguf and tokenizers`)
}
const precisions = withTorch ? listOf<string>(values.torch) : []

interface Cell {
  readonly name: string
  readonly measure: () => Outcome<CausalResult>
}

type Place = Pick<CausalMeasurement, "batch" | "length" | "threads">

const ours = (
  place: Place,
  device: CpuDevice,
  method: CausalMeasurement["method"],
  weights: CausalMeasurement["weights"]
): Cell => ({
  name: `${device}: ${method}${weights === "f32" ? "" : `, weights ${weights}`}`,
  measure: () => {
    const measurement: CausalMeasurement = { ...place, rank, device, method, weights, recompute, steps }
    return run(process.execPath, [here("causal/step.ts"), model, JSON.stringify(measurement)])
  }
})

const torch = (place: Place, precision: string): Cell => ({
  name: `PyTorch + PEFT (LoRA, ${precision})`,
  measure: () => {
    const options = Object.entries({ ...place, rank, recompute, precision, steps })
    return run(python, [
      here("causal/torch_step.py"),
      model,
      ...options.flatMap(([name, value]) => [`--${name}`, `${value}`])
    ])
  }
})

const cellsOf = (place: Place): ReadonlyArray<Cell> => [
  ...precisions.map((precision) => torch(place, precision)),
  ...devices.flatMap((device) => [
    ...methods.map((method) => ours(place, device, method, weightForms[0]!)),
    ...weightForms.slice(1).map((weights) => ours(place, device, methods[0]!, weights))
  ])
]

const benchPlace = (place: Place): void => {
  const { batch, length, threads } = place
  console.log(`### ${batch} × ${length} tokens, ${threads} ${threads === 1 ? "thread" : "threads"}\n`)
  const cells = cellsOf(place)
  const results = inRounds(cells, Number(values.rounds), ({ measure }) => measure())
  const reference = precisions.length > 0 ? results.get(cells[0]!) : undefined
  const rows = cells.map((cell) => {
    const measured = results.get(cell)!
    if (typeof measured === "string") return [cell.name, measured, "", "", "", ""]
    const of = (pick: (result: CausalResult) => number) => median(measured.map(pick))
    const ratio =
      reference === undefined || typeof reference === "string"
        ? "–"
        : `${median(measured.map(({ milliseconds }, i) => milliseconds / reference[i]!.milliseconds)).toFixed(2)}×`
    const ms = of(({ milliseconds }) => milliseconds)
    return [
      cell.name,
      ms.toFixed(0),
      ((1000 * batch * length) / ms).toFixed(0),
      ratio,
      (Math.max(...measured.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0),
      (of(({ loading }) => loading) / 1000).toFixed(1)
    ]
  })
  printTable(["step", "ms", "tokens/s", "÷ PyTorch", "peak MB", "loading s"], rows)
}

console.log(`${setting()} · medians of ${values.rounds} rounds\n`)
for (const [batch, length] of parseShapes(values.shapes)) {
  for (const threads of listOf<string>(values.threads).map(Number)) benchPlace({ batch, length, threads })
}
