/**
 * What each optimizer's step costs over LoRA's (AdamW) on MiniLM: every optimizer that `compare` has, as `compare` would write it.
 *
 *   bun bench/optimizers.bench.ts [--devices native,wasm] [--shapes 4x32,8x128] [--ranks 8,64] [--turns 5] [--threads 1]
 *
 * All of a cell's methods are in one process and take a step each in turn, so that a ratio compares two steps within the same seconds.
 * Ratios are medians over the turns, with the least and the largest; "opt." is the optimizer's part of a step, refresh and update, in ms.
 */
import { parseArgs } from "node:util"
import { type Optimizer, optimizers } from "../src/optimizers/index.ts"
import { measure, parseShapes, printTable, setting } from "./cells.ts"
import { type CpuDevice, median, type OurResult, type Section } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    devices: { type: "string", default: "native,wasm" },
    shapes: { type: "string", default: "4x32,8x128" },
    ranks: { type: "string", default: "8,64" },
    turns: { type: "string", default: "5" },
    threads: { type: "string", default: "1" }
  }
})

interface Compared {
  readonly label: string
  readonly section: Section
}

/** A small rate: what is timed should stay finite. */
const shared = { learningRate: 1e-5, weightDecay: 0, clipNorm: null, schedule: { kind: "constant" } } as const

const compared = Object.values<Optimizer<never>>(optimizers).flatMap((optimizer) =>
  Object.values(optimizer.compared)
    // of those that are tried on another adapter, this would be no step
    .filter(({ on }) => on === undefined)
    .map(({ label, section }): Compared => ({ label, section: section(shared, {}, undefined) }))
)
const methods = ["lora", ...compared.map(({ section }) => section)] as const

/** Of the method in place `at`, over LoRA in the first. */
const cellsOf = ({ methods: found }: OurResult, at: number): readonly [string, string] => {
  const [lora, own] = [found[0]!.steps, found[at]!.steps]
  const ratios = own.map(({ milliseconds }, turn) => milliseconds / lora[turn]!.milliseconds)
  const [middle, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)].map((x) => x.toFixed(2))
  return [`${middle} (${least}–${most})`, median(own.map(({ optimizer }) => optimizer)).toFixed(1)]
}

console.log(`${setting()} · ${values.threads} thread(s) · ${values.turns} turns\n`)
for (const device of values.devices.split(",") as ReadonlyArray<CpuDevice>) {
  const header = [`${device}: step ÷ LoRA's`]
  const columns: Array<OurResult> = []
  for (const [batch, length] of parseShapes(values.shapes)) {
    for (const rank of values.ranks.split(",").map(Number)) {
      const [threads, steps] = [Number(values.threads), Number(values.turns)]
      const outcome = measure({ path: "ours", model: "minilm", device, methods, batch, length, rank, threads, steps })
      if (typeof outcome === "string") throw new Error(outcome)
      header.push(`${batch} × ${length}, r = ${rank}`, "opt.")
      columns.push(outcome)
    }
  }
  const step = ({ methods: found }: OurResult) => {
    const { steps } = found[0]!
    return [
      `${median(steps.map((one) => one.milliseconds)).toFixed(0)} ms`,
      median(steps.map((one) => one.optimizer)).toFixed(1)
    ]
  }
  printTable(header, [
    ["LoRA", ...columns.flatMap(step)],
    ...compared.map(({ label }, i) => [label, ...columns.flatMap((result) => cellsOf(result, i + 1))])
  ])
}
