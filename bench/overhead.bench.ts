/**
 * What LoRA-Pro costs over LoRA: whole steps of MiniLM against the LoRA step, over the rank and over the number of adapted layers.
 *
 *   bun bench/overhead.bench.ts [--quick] [--shapes 4x32,8x128] [--threads 1] [--rounds 3]
 *
 * A row is a process in which LoRA, LoRA-Pro (efficient) and LoRA-Pro (full) take a step each in turn, so that a ratio compares two
 * steps within the same second; it shows the median over all turns of all rounds. The last columns are the optimizer's ms:
 * its update and, for LoRA-Pro, the refresh before it (Grams and eigenproblems, in float64).
 */
import { parseArgs } from "node:util"
import { inRounds, measure, parseShapes, printTable, setting } from "./cells.ts"
import { type Method, median, type OurResult, type StepTimes } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    shapes: { type: "string", default: "4x32,8x128" },
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" }
  }
})
const rounds = values.quick ? 1 : Number(values.rounds)

interface Row {
  readonly rank: number
  /** adapted layers */
  readonly sites: number
  readonly targets: "all-linear" | ReadonlyArray<string>
}

const ranks = [4, 8, 16, 32, 64, 128].map((rank): Row => ({ rank, sites: 36, targets: "all-linear" }))
/** One, two, three of the six linear types in each of six layers; all six is among the ranks. */
const fewer: ReadonlyArray<Row> = [
  { rank: 8, sites: 6, targets: ["query"] },
  { rank: 8, sites: 12, targets: ["query", "value"] },
  { rank: 8, sites: 18, targets: ["query", "key", "value"] }
]
const rows: ReadonlyArray<Row> = [...ranks, ...fewer]
const methods: ReadonlyArray<Method> = ["lora", "lora-pro-efficient", "lora-pro-full"]

/** Every turn of every round: a step of each method. */
const turnsOf = (results: ReadonlyArray<OurResult>): ReadonlyArray<ReadonlyArray<StepTimes>> =>
  results.flatMap(({ methods: own }) => own[0]!.steps.map((_, turn) => own.map(({ steps }) => steps[turn]!)))

const cellsOf = ({ rank, sites }: Row, found: ReadonlyArray<OurResult> | string): ReadonlyArray<string> => {
  if (typeof found === "string") return [`${rank}`, `${sites}`, found, ...Array(6).fill("")]
  const turns = turnsOf(found)
  const over = (method: number) => median(turns.map((turn) => turn[method]!.milliseconds / turn[0]!.milliseconds))
  const of = (method: number, part: (times: StepTimes) => number) => median(turns.map((turn) => part(turn[method]!)))
  const update = (method: number) => of(method, ({ optimizer, refresh }) => optimizer - refresh).toFixed(1)
  // both forms need the same Grams
  const refresh = of(1, (times) => times.refresh).toFixed(1)
  const lora = of(0, ({ milliseconds }) => milliseconds).toFixed(0)
  const ratios = [over(1), over(2)].map((ratio) => `${ratio.toFixed(3)}×`)
  return [`${rank}`, `${sites}`, lora, ...ratios, refresh, update(0), update(1), update(2)]
}

const HEADER = ["r", "adapted layers", "LoRA step, ms", "efficient ÷ LoRA", "full ÷ LoRA"]
const OPTIMIZERS = ["refresh", "update: LoRA", "efficient", "full"]

console.log(`${setting()} · medians of ${rounds} rounds\n`)
for (const [batch, length] of parseShapes(values.shapes)) {
  for (const threads of values.threads.split(",").map(Number)) {
    const steps = values.quick ? 3 : 5
    console.log(`### ${batch} × ${length} tokens, ${threads} ${threads === 1 ? "thread" : "threads"}\n`)
    const results = inRounds(rows, rounds, ({ rank, targets }) =>
      measure({ path: "ours", model: "minilm", methods, batch, length, threads, steps, rank, targets })
    )
    printTable(
      [...HEADER, ...OPTIMIZERS],
      rows.map((row) => cellsOf(row, results.get(row)!))
    )
  }
}
