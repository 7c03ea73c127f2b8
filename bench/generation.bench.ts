/**
 * The generation bench: SmolLM2-135M-Instruct on wasm and native behind prompts of several lengths, beside transformers on the same weights
 * where Python has them ($PYTHON, default python3; torch, transformers and gguf). Time to the first token, and of each token behind it.
 *
 *   bun bench/generation.bench.ts [--contexts 64,512,2000] [--threads 1,2] [--rounds 3] [--tokens 33] [--gguf FILE]
 *     [--devices wasm,native] [--weights f32,f16,int8,q8,q4]
 *
 * Each cell is a process of its own. "÷ PyTorch": of the same context, threads and round.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import { inRounds, type Outcome, printTable, run, setting } from "./cells.ts"
import type { WriteMeasurement, WriteResult } from "./generation/write.ts"
import { median } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    contexts: { type: "string", default: "64,512,2000" },
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "3" },
    tokens: { type: "string", default: "33" },
    devices: { type: "string", default: "wasm,native" },
    weights: { type: "string", default: "f32,f16,int8,q8,q4" },
    gguf: { type: "string" }
  }
})

const here = (file: string) => join(import.meta.dirname, file)
const gguf = values.gguf ?? (await fetchSmolLm2(here("../examples/models/smollm2")))
const tokens = Number(values.tokens)
const python = process.env["PYTHON"] ?? "python3"
const withTorch = spawnSync(python, ["-c", "import torch, transformers, gguf, tokenizers"]).status === 0
if (!withTorch) console.error(`PyTorch is left out: ${python} cannot import torch, transformers, gguf and tokenizers`)

interface Cell {
  readonly name: string
  readonly measure: () => Outcome<WriteResult>
}

const ours = ({ device, weights, context, threads }: Omit<WriteMeasurement, "tokens">): Cell => ({
  name: `${device}, weights ${weights}`,
  measure: () => {
    const measurement: WriteMeasurement = { context, tokens, threads, weights, device }
    return run(process.execPath, [here("generation/write.ts"), gguf, JSON.stringify(measurement)])
  }
})

const torch = (context: number, threads: number): Cell => ({
  name: "transformers",
  measure: () => {
    const options = Object.entries({ context, tokens, threads }).flatMap(([name, value]) => [`--${name}`, `${value}`])
    return run(python, [here("generation/torch_write.py"), gguf, ...options])
  }
})

const listed = <Name extends string>(names: string): ReadonlyArray<Name> => names.split(",").map((name) => name as Name)

const benchPlace = (context: number, threads: number): void => {
  console.log(`### behind ${context} tokens, ${threads} ${threads === 1 ? "thread" : "threads"}\n`)
  const cells = [
    ...(withTorch ? [torch(context, threads)] : []),
    ...listed<WriteMeasurement["device"]>(values.devices).flatMap((device) =>
      listed<WriteMeasurement["weights"]>(values.weights).map((weights) => ours({ device, weights, context, threads }))
    )
  ]
  const results = inRounds(cells, Number(values.rounds), ({ measure }) => measure())
  const reference = withTorch ? results.get(cells[0]!) : undefined
  const rows = cells.map((cell) => {
    const own = results.get(cell)!
    if (typeof own === "string") return [cell.name, own, "", "", "", ""]
    const timed = (pick: (result: WriteResult) => number) => {
      const ratios =
        reference === undefined || typeof reference === "string"
          ? undefined
          : own.map((result, i) => pick(result) / pick(reference[i]!))
      return [median(own.map(pick)).toFixed(1), ratios === undefined ? "–" : `${median(ratios).toFixed(2)}×`]
    }
    return [
      cell.name,
      ...timed(({ firstMilliseconds }) => firstMilliseconds),
      ...timed(({ tokenMilliseconds }) => tokenMilliseconds),
      (Math.max(...own.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0)
    ]
  })
  printTable(["", "first token ms", "÷ PyTorch", "each token ms", "÷ PyTorch", "peak MB"], rows)
}

console.log(`${setting()} · medians of ${values.rounds} rounds\n`)
for (const context of values.contexts.split(",").map(Number)) {
  for (const threads of values.threads.split(",").map(Number)) benchPlace(context, threads)
}
