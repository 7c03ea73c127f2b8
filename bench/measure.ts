/**
 * One measurement in a process of its own (the benches start it): what it is, as JSON, in; what came out, as one JSON line, out.
 *
 *   bun bench/measure.ts '{"path":"ours","model":"minilm","methods":["lora"],"batch":4,"length":32,"threads":1,"steps":5}'
 *
 * `peakBytes` is the process's largest resident size. For `"model": "base"` without a `folder`, a checkpoint is written for the time
 * of the measurement.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { peakResidentBytes } from "../src/device/wasm.ts"
import { writeBaseCheckpoint } from "./checkpoint.ts"
import { jaxStep } from "./jax-step.ts"
import { measureOurs } from "./our-step.ts"
import { measureProducts } from "./product-rate.ts"
import {
  type JaxMeasurement,
  type Measurement,
  median,
  modelShapes,
  type OurMeasurement,
  type StockMeasurement,
  type TimeResult
} from "./shapes.ts"
import { stockStep } from "./stock-step.ts"

/** Milliseconds of the median step, after those that are not timed. */
const timeSteps = async (
  step: () => Promise<number>,
  steps: number,
  untimed: number
): Promise<Omit<TimeResult, "peakBytes">> => {
  const times: Array<number> = []
  for (let i = 0; i < untimed + steps; i++) {
    const began = performance.now()
    await step()
    times.push(performance.now() - began)
  }
  return { milliseconds: median(times.slice(untimed)) }
}

const measureStock = async ({ model, batch, length, steps }: StockMeasurement) =>
  timeSteps(await stockStep(modelShapes[model], batch, length), steps, 1)

/** Its first step compiles, and the second is the first that runs compiled. */
const measureJax = async ({ model, batch, length, threads, steps }: JaxMeasurement) =>
  timeSteps(await jaxStep(modelShapes[model], batch, length, threads), steps, 2)

const withFolder = async (measurement: OurMeasurement) => {
  if (measurement.model !== "base" || measurement.folder !== undefined) return measureOurs(measurement)
  const scratch = mkdtempSync(join(tmpdir(), "bench-base-"))
  try {
    const folder = join(scratch, "base")
    await writeBaseCheckpoint(folder)
    return await measureOurs({ ...measurement, folder })
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

const measured = (measurement: Measurement): Promise<object> => {
  switch (measurement.path) {
    case "ours":
      return withFolder(measurement)
    case "stock":
      return measureStock(measurement)
    case "jax-js":
      return measureJax(measurement)
    case "products":
      return measureProducts(measurement)
  }
}

const result = await measured(JSON.parse(process.argv[2]!) as Measurement)
console.log(JSON.stringify({ ...result, peakBytes: peakResidentBytes() }))
process.exit(0)
