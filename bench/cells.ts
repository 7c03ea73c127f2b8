/**
 * Cells of a table: each is a process of its own, so that peak memory means something and no cell warms up another. Within a round
 * the cells follow each other, so that ratios compare what ran within the same minutes; tables show medians over rounds.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { join, resolve } from "node:path"
import type { Measurement, OurMeasurement, OurResult, ProductMeasurement, ProductResult, TimeResult } from "./shapes.ts"

/** A result, or in one line why there is none. */
export type Outcome<R> = R | string

const here = (file: string) => new URL(file, import.meta.url).pathname

/** The last line that a command prints, as JSON. */
export const run = <R>(command: string, args: ReadonlyArray<string>): Outcome<R> => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 })
  if (status === 0) return JSON.parse(stdout.trim().split("\n").at(-1)!) as R
  // a stack trace ends in the runtime's version; what went wrong stands above it
  const lines = stderr.trim().split("\n")
  return (lines.find((line) => /error/i.test(line)) ?? lines.at(-1)!) || `exit ${status}`
}

/** Runs a measurement (`measure.ts`) with the runtime that this bench runs with. */
export function measure(measurement: OurMeasurement): Outcome<OurResult>
export function measure(measurement: ProductMeasurement): Outcome<ProductResult>
export function measure(measurement: Measurement): Outcome<TimeResult>
export function measure(measurement: Measurement): Outcome<unknown> {
  return run(process.execPath, [here("measure.ts"), JSON.stringify(measurement)])
}

const python = process.env["PYTHON"] ?? "python3"

/** Says on stderr where it does not. */
export const pythonHasTorch = (): boolean => {
  const has = spawnSync(python, ["-c", "import torch, transformers, peft"]).status === 0
  if (!has) console.error(`PyTorch + PEFT are left out: ${python} cannot import torch, transformers and peft`)
  return has
}

export interface TorchMeasurement {
  readonly batch: number
  readonly length: number
  readonly threads: number
  readonly steps: number
  readonly folder?: string
}

export const measureTorch = (measurement: TorchMeasurement): Outcome<TimeResult> =>
  run(python, [
    here("torch_step.py"),
    ...Object.entries(measurement).flatMap(([name, value]) => [`--${name}`, `${value}`])
  ])

/** Where jax-js is, if it is installed in the folder that $JAX_JS names. */
export const jaxJsEntry = join(resolve(process.env["JAX_JS"] ?? "."), "node_modules/@jax-js/jax/dist/index.js")

/** Says on stderr where it is not. */
export const hasJaxJs = (): boolean => {
  const has = existsSync(jaxJsEntry)
  if (!has) console.error(`jax-js is left out: there is no ${jaxJsEntry} (JAX_JS names the folder it is installed in)`)
  return has
}

/** Each cell's outcomes, round by round. A cell that has failed is not tried again. */
export const inRounds = <Cell, R>(
  cells: ReadonlyArray<Cell>,
  rounds: number,
  measured: (cell: Cell) => Outcome<R>
): ReadonlyMap<Cell, ReadonlyArray<R> | string> => {
  const found = new Map<Cell, Array<R> | string>()
  for (let round = 0; round < rounds; round++) {
    for (const cell of cells) {
      const before = found.get(cell) ?? []
      if (typeof before === "string") continue
      const outcome = measured(cell)
      found.set(cell, typeof outcome === "string" ? outcome : [...before, outcome])
    }
  }
  return found
}

export const cores = availableParallelism()

/** One thread, and all cores where there are more. */
export const threadCounts = cores > 1 ? [1, cores] : [1]

/** The machine, the runtime and the commit, with a mark where the working tree is not that commit's. */
export const setting = (): string => {
  const git = (...args: ReadonlyArray<string>) => spawnSync("git", args, { encoding: "utf8" }).stdout.trim()
  const changed = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : " and changes"
  const runtime = process.versions.bun ? `Bun ${process.versions.bun}` : process.version
  return `${cpus()[0]?.model.trim()}, ${cores} cores · ${runtime} · commit ${git("rev-parse", "--short", "HEAD")}${changed}`
}

/** "8x128,4x32" → [[8, 128], [4, 32]] */
export const parseShapes = (text: string): ReadonlyArray<readonly [batch: number, length: number]> =>
  text.split(",").map((shape) => {
    const [batch, length] = shape.split("x").map(Number)
    if (!(batch! > 0 && length! > 0)) throw new Error(`a shape is batch x length, such as 8x128; found ${shape}`)
    return [batch!, length!]
  })

/** A Markdown table. */
export const printTable = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): void => {
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  console.log([line(header), `|${"---|".repeat(header.length)}`, ...rows.map(line), ""].join("\n"))
}
