/**
 * Memory that `validate` estimates for a run, compared with what the run took.
 *
 *   bun bench/memory.bench.ts [--only TEXT] [--devices native,wasm] [--steps 2]
 *
 * The measured number is `peakBytes` of a run's `run.json`, the process's largest resident size, pages of mapped files included; "ratio" is
 * estimate over measurement.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { printTable, setting } from "./cells.ts"
import { type MeasuredMemory, measuredMemory, memoryCases, writeMemoryCases } from "./memory/cases.ts"
import type { CpuDevice } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    devices: { type: "string", default: "native,wasm" },
    steps: { type: "string", default: "2" }
  }
})

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

const cellsOf = (device: CpuDevice, { estimate, peak }: MeasuredMemory): ReadonlyArray<string> => {
  const { weights, trainable, activations, checkpoint, total } = estimate
  const parts = [weights, trainable, activations, checkpoint, total, peak].map(megabytes)
  return [device, ...parts, (total / peak).toFixed(2)]
}

const scratch = mkdtempSync(join(tmpdir(), "bench-memory-"))
try {
  const chosen = memoryCases.filter(({ name }) => name.includes(values.only))
  await writeMemoryCases(scratch, chosen)
  const devices = values.devices.split(",") as ReadonlyArray<CpuDevice>
  const table = chosen.flatMap((one) =>
    devices.map((device) => {
      const cells = [one.name, ...cellsOf(device, measuredMemory(scratch, one, device, Number(values.steps)))]
      console.error(cells.join(" | "))
      return cells
    })
  )
  console.log(`${setting()} · 2 threads · ${values.steps} steps\n`)
  printTable(
    ["plan", "device", "weights", "trained", "activations", "checkpoint", "estimate, MB", "measured, MB", "ratio"],
    table
  )
} finally {
  rmSync(scratch, { recursive: true })
}
