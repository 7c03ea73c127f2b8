/**
 * One training run in several processes, started by Open MPI's mpirun: MiniLM, four micro-batches a step.
 *
 *   bun bench/ranks.bench.ts [--quick] [--parts speed,memory,network,model] [--rounds 3] [--steps 8]
 *     [--shape 8x128] [--device wasm] [--times 1836,7,52]
 *
 *   speed     2 processes of one thread, beside 1 process of one thread and 1 of two; all leave the same adapter
 *   memory    LoRA-Pro's full form on 1, 2 and 4 processes: the largest resident size of each, and its optimizer's state
 *   network   2 processes on two network namespaces that `ranks/link.py` joins, beside the same two on one machine: the share of a step that is
 *             waiting, and what the model of src/ranks/cost.ts says of it. Needs root and /dev/net/tun
 *   model     steps of 64 micro-batches on 1 to 64 machines of one thread, by the model, from a step that is measured here, or from
 *             `--times`: milliseconds of a micro-batch, of what every process does for itself, and of what LoRA-Pro's processes divide
 */
import { parseArgs } from "node:util"
import * as Schema from "effect/Schema"
import { OptimizerConfig } from "../schemas/index.ts"
import { optimizerOf } from "../src/optimizers/index.ts"
import { travelOf } from "../src/plan/index.ts"
import {
  connections,
  type Division,
  gatherSeconds,
  rangesOf,
  type StepSeconds,
  stepOnRanks
} from "../src/ranks/index.ts"
import { measure, parseShapes, printTable, setting } from "./cells.ts"
import { gather, linked, type Method, measureLink, optimizers, predicted, type Ran, train } from "./ranks/launch.ts"
import { cpuDevices, linearLayers, median, modelShapes, type StepTimes } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    parts: { type: "string", default: "speed,memory,network,model" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "8" },
    shape: { type: "string", default: "8x128" },
    device: { type: "string", default: "wasm" },
    times: { type: "string" }
  }
})
const rounds = values.quick ? 1 : Number(values.rounds)
const steps = values.quick ? 4 : Number(values.steps)
const [[batch, length]] = parseShapes(values.shape) as [readonly [number, number]]
const shape = { accumulate: 4, batch, length }
const { device } = values
const methods = Object.keys(optimizers) as ReadonlyArray<Method>
const labels: Readonly<Record<Method, string>> = { lora: "LoRA", "lora-pro-full": "LoRA-Pro (full)" }

const ms = (milliseconds: number) => milliseconds.toFixed(0)
const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)}`
const share = (part: number) => `${(100 * part).toFixed(1)} %`

const speed = () => {
  const cells = { one: { ranks: 1, threads: 1 }, two: { ranks: 2, threads: 1 }, threads: { ranks: 1, threads: 2 } }
  const rows = methods.map((method) => {
    const ran = Array.from({ length: rounds }, () => ({
      one: train({ device, method, steps, ...shape, ...cells.one }),
      two: train({ device, method, steps, ...shape, ...cells.two }),
      threads: train({ device, method, steps, ...shape, ...cells.threads })
    }))
    const of = (cell: keyof typeof cells) => median(ran.map((round) => round[cell].milliseconds))
    const over = (a: keyof typeof cells, b: keyof typeof cells) =>
      median(ran.map((round) => round[a].milliseconds / round[b].milliseconds)).toFixed(2)
    const adapters = new Set(ran.flatMap((round) => Object.values(round).map(({ adapter }: Ran) => adapter)))
    const same = adapters.size === 1 ? "yes" : "NO"
    return [
      labels[method],
      ms(of("one")),
      ms(of("two")),
      ms(of("threads")),
      `${over("one", "two")}×`,
      `${over("threads", "two")}×`,
      same
    ]
  })
  console.log(`### Two processes\n`)
  printTable(
    [
      "",
      "1 process, 1 thread, ms",
      "2 processes, 1 thread",
      "1 process, 2 threads",
      "2 processes over 1",
      "over 2 threads",
      "same adapter"
    ],
    rows
  )
}

const memory = () => {
  console.log(`### Memory of LoRA-Pro's full form, MB\n`)
  const method = "lora-pro-full"
  const rows = [1, 2, 4].map((ranks) => {
    const { peaks } = train({ device, method, ranks, threads: 1, steps: 4, ...shape })
    const { state, stateAlone } = predicted(method, Math.max(2, ranks), shape)
    const held = ranks === 1 ? [stateAlone] : state
    return [`${ranks}`, peaks.map(mb).join(", "), held.map(mb).join(", ")]
  })
  printTable(["processes", "largest resident size of each", "optimizer's state of each"], rows)
}

const network = async () => {
  console.log(`### Two machines\n`)
  const rows: Array<ReadonlyArray<string>> = []
  const gathers: Array<ReadonlyArray<string>> = []
  for (const connection of connections) {
    await linked(connection, async (link) => {
      const { back, bitsPerSecond } = await measureLink(connection)
      // the gradients of two micro-batches
      const bytes = 2 * 4 * 332_547
      const { least, median: middle } = gather(link, bytes, 30)
      const said = 1000 * gatherSeconds([bytes, bytes], connection)
      gathers.push([connection.name, (bytes / 1e6).toFixed(2), least.toFixed(1), middle.toFixed(1), said.toFixed(1)])
      for (const method of methods) {
        const cell = { device, method, ranks: 2, threads: 1, steps, ...shape }
        const ran = Array.from({ length: rounds }, () => ({ here: train(cell), apart: train({ ...cell, link }) }))
        const [here, apart] = (["here", "apart"] as const).map((cell) =>
          median(ran.map((round) => round[cell].milliseconds))
        ) as [number, number]
        const waiting = median(ran.map(({ here, apart }) => 1 - here.milliseconds / apart.milliseconds))
        const said = predicted(method, 2, shape).connections.find(({ name }) => name === connection.name)!
        const model = 1000 * said.network
        rows.push([
          connection.name,
          `${(1000 * back).toFixed(1)} ms, ${(bitsPerSecond / 1e6).toFixed(0)} Mbit/s`,
          labels[method],
          ms(here),
          ms(apart),
          ms(apart - here),
          ms(model),
          share(waiting),
          share(model / (here + model))
        ])
      }
    })
  }
  printTable(
    [
      "connection",
      "there and back, rate as measured",
      "",
      "one machine, ms",
      "two machines",
      "more",
      "by the model",
      "waiting",
      "by the model"
    ],
    rows
  )
  console.log("An all-gather by itself:\n")
  printTable(["connection", "MB of each", "fastest of 30, ms", "median", "by the model"], gathers)
}

const MACHINES = [1, 2, 4, 8, 16, 32, 64]
const MICRO_BATCHES = 64

/** Of one process: what is measured here, or given. */
const stepSeconds = (): ReadonlyArray<StepSeconds> => {
  const divides = methods.map((method) => workOf(method).moves)
  if (values.times !== undefined) {
    const [microBatch = 0, update = 0, shared = 0] = values.times.split(",").map((ms) => Number(ms) / 1000)
    return divides.map((own) => ({ microBatch, update, shared: own ? shared : 0 }))
  }
  const device = cpuDevices.find((name) => name === values.device)!
  const cell = { path: "ours", model: "minilm", device, methods, batch, length, threads: 1 } as const
  const measured = measure({ ...cell, steps: values.quick ? 3 : 7 })
  if (typeof measured === "string") throw new Error(measured)
  return measured.methods.map(({ steps: own }, i) => {
    const part = (take: (times: StepTimes) => number) => median(own.map(take)) / 1000
    const update = part(({ optimizer, refresh }) => optimizer - refresh)
    const rest = part(({ rest, refresh }) => rest + refresh)
    const microBatch = part(({ forward, backward }) => forward + backward)
    return divides[i] ? { microBatch, update: rest, shared: update } : { microBatch, update: rest + update, shared: 0 }
  })
}

const workOf = (method: Method) => {
  const config = Schema.decodeUnknownSync(OptimizerConfig)(optimizers[method])
  return optimizerOf(config).shared(config)
}

const model = () => {
  const { layers, width } = modelShapes.minilm
  const linear = Array.from({ length: layers }, () => linearLayers(modelShapes.minilm)).flat()
  const pairs = linear.map(([, from, to]) => ({ site: { in: from, out: to }, rank: 8 }))
  const trained = pairs.reduce((sum, { site, rank }) => sum + rank * (site.in + site.out), 2 * (width + 1))
  const of = stepSeconds().map((seconds, i) => ({ seconds, shared: workOf(methods[i]!) }))
  console.log(
    `### ${MICRO_BATCHES} micro-batches of ${batch} × ${length} on up to 64 machines of one thread, by the model\n`
  )
  for (const [i, { seconds }] of of.entries())
    console.log(
      `${labels[methods[i]!]}: ${(1000 * seconds.microBatch).toFixed(0)} ms a micro-batch, ${(1000 * (seconds.update + seconds.shared)).toFixed(0)} ms an update, of which ${(1000 * seconds.shared).toFixed(0)} are divided  `
    )
  const rows = MACHINES.map((size) => [
    `${size}`,
    ...of.flatMap(({ shared, seconds }) => {
      const { gradients, moves } = travelOf({ accumulate: MICRO_BATCHES, trained, pairs, shared }, size)
      const microBatches = rangesOf(MICRO_BATCHES, size).map(({ start, end }) => end - start)
      const division: Division = {
        microBatches,
        shares: shared.moves ? new Array<number>(size).fill(1 / size) : null,
        gathers: [...gradients, ...moves]
      }
      return connections.map((connection) => {
        const { seconds: step, network, speedUp } = stepOnRanks(seconds, division, connection)
        return `${step.toFixed(2)} s, ${share(network / step)}, ${speedUp.toFixed(1)}×`
      })
    })
  ])
  console.log("\nStep, its share of waiting, and how many times as fast as one machine:\n")
  printTable(
    ["machines", ...methods.flatMap((method) => connections.map(({ name }) => `${labels[method]}, ${name}`))],
    rows
  )
}

console.log(
  `${setting()} · ${batch} × ${length} tokens · ${rounds} ${rounds === 1 ? "round" : "rounds"} of ${steps} steps\n`
)
const parts = { speed, memory, network, model }
for (const part of values.parts.split(",")) {
  const measurePart = parts[part as keyof typeof parts]
  if (measurePart === undefined) throw new Error(`--parts are ${Object.keys(parts).join(", ")}; found ${part}`)
  await measurePart()
}
