/**
 * One measurement of the WebGPU bench in a process of its own: what it is, as JSON, in; what came out, as one JSON
 * line, out.
 *
 *   bun bench/webgpu/measure.ts \
 *     '{"what":"counts","path":"adamw","model":"minilm","batch":4,"length":32,"adapter":"null","steps":8}'
 *
 * Where the CPU's time goes: `bun --cpu-prof --cpu-prof-dir DIR bench/webgpu/measure.ts '{"what":"cpu", …}'`.
 */
import { createInterface } from "node:readline"
import { median } from "../shapes.ts"
import { startCounting } from "./counters.ts"
import { gpuProducts } from "./gpu-products.ts"
import { openStep } from "./gpu-step.ts"
import type {
  CountsMeasurement,
  CountsResult,
  CpuMeasurement,
  CpuResult,
  GpuMeasurement,
  MemoryMeasurement,
  MemoryResult,
  ProgramsMeasurement,
  ProgramsResult,
  SteppingMeasurement
} from "./measurement.ts"
import { startTiming } from "./pass-times.ts"

/**
 * Steps before those that count: the first one compiles, the second is the first with an optimizer state that has
 * moved.
 */
const WARM_UP = 2

/**
 * Steps that our session takes before it reads their numbers, on a GPU; a number of steps that is a multiple of it
 * reads as training does.
 */
const TOGETHER = 8

const counts = async ({ steps, ...setting }: CountsMeasurement): Promise<CountsResult> => {
  let counters: ReturnType<typeof startCounting> | undefined
  const { take } = await openStep(setting, () => {
    counters = startCounting()
  })
  await take(WARM_UP * steps) // until no new buffer is made
  counters!.take()
  await take(steps)
  const { dispatches, ...totals } = counters!.take()
  const mean = <T extends Readonly<Record<string, number>>>(sums: T) =>
    Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / steps])) as T
  return { dispatches: mean(dispatches), ...mean(totals) }
}

/** A just-in-time compiler takes its time to see that a function is worth it. */
const CPU_WARM_UP = 24

const cpu = async ({ steps, ...setting }: CpuMeasurement): Promise<CpuResult> => {
  const { take } = await openStep(setting)
  await take(CPU_WARM_UP)
  const times: Array<number> = []
  const [before, ofThread] = [process.cpuUsage(), process.threadCpuUsage()]
  for (let taken = 0; taken < steps; taken += TOGETHER) {
    const began = performance.now()
    await take(TOGETHER)
    times.push((performance.now() - began) / TOGETHER)
  }
  const taken = TOGETHER * times.length
  const perStep = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1000 / taken // of microseconds
  const [own, all] = [process.threadCpuUsage(ofThread), process.cpuUsage(before)]
  return { milliseconds: median(times), threadMilliseconds: perStep(own), cpuMilliseconds: perStep(all) }
}

const programs = async ({ steps, ...setting }: ProgramsMeasurement): Promise<ProgramsResult> => {
  let timing: ReturnType<typeof startTiming> | undefined
  const { take } = await openStep(setting, () => {
    timing = startTiming()
  })
  await take(WARM_UP)
  await timing!.take()
  await take(steps)
  const mean = Object.entries(await timing!.take()).map(
    ([name, { calls, milliseconds }]) => [name, { calls: calls / steps, milliseconds: milliseconds / steps }] as const
  )
  return { programs: Object.fromEntries(mean) }
}

const memory = async ({ at, ...setting }: MemoryMeasurement): Promise<MemoryResult> => {
  let counters: ReturnType<typeof startCounting> | undefined
  const { take } = await openStep(setting, () => {
    counters = startCounting()
  })
  const allocatedBytes: Array<number> = []
  let taken = 0
  for (const moment of at) {
    for (; taken < moment; taken++) await take(1)
    allocatedBytes.push(counters!.allocatedBytes())
  }
  return { peakBytes: counters!.peakBytes(), allocatedBytes }
}

const stepping = async (setting: SteppingMeasurement): Promise<undefined> => {
  const { take, ...opened } = await openStep(setting)
  await take(WARM_UP)
  console.log(JSON.stringify(opened))
  for await (const line of createInterface({ input: process.stdin })) {
    const steps = Number(line)
    const began = performance.now()
    await take(steps)
    console.log(JSON.stringify({ milliseconds: (performance.now() - began) / steps }))
  }
}

const measured = (measurement: GpuMeasurement): Promise<object | undefined> => {
  switch (measurement.what) {
    case "counts":
      return counts(measurement)
    case "cpu":
      return cpu(measurement)
    case "programs":
      return programs(measurement)
    case "memory":
      return memory(measurement)
    case "stepping":
      return stepping(measurement)
    case "products":
      return gpuProducts(measurement)
  }
}

/** What failed in one line, in the place of the result: stderr has what the driver says on it, too. */
const failure = (error: unknown) => {
  const lines = String(error instanceof Error ? error.message : error).split("\n")
  return { failed: lines.find((line) => line.trim() !== "") ?? "an error without a message" }
}

const result = await measured(JSON.parse(process.argv[2]!) as GpuMeasurement).catch(failure)
if (result !== undefined) console.log(JSON.stringify(result))
process.exit(0)
