/**
 * A long run stays as small as it was: 2,500 steps with evaluations and checkpoints, tensors and resident memory looked at
 * between them. In a process of its own: tfjs keeps records for its leak checks where it is told that it is tested.
 *
 * After the first 750 steps everything that is made once has been made (compiled code, wasm pages, the allocator's arenas); what may
 * still come is noise of the collector and of the checkpoint that is being written, 20 MB as measured. A forgotten tensor shows in
 * the counts; 20 kB of anything else forgotten at every step would be 35 MB over the rest.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { jsonObjects, run, workspace } from "../e2e/fixtures.ts"
import { busyPlan } from "../e2e/runs.ts"
import type { Sample } from "./soak-child.ts"

const STEPS = 2_500
const WARM = 750
const MOST_GROWTH = 30e6
// a checkpoint that is being written holds the state it is of, 67 tensors; one forgotten every tenth step would be 175
const MOST_HELD = 80
const w = workspace()

const median = (numbers: ReadonlyArray<number>): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

test("memory is flat over thousands of steps", async () => {
  w.model("bert")
  const training = { steps: STEPS, batchSize: 4, evaluateEvery: 100 }
  w.write("soak.json", busyPlan("bert", STEPS, { training, output: { checkpointEvery: 50, keep: 2 } }))
  const child = [process.execPath, join(import.meta.dir, "soak-child.ts"), "soak.json", "soak"]
  const { code, stdout, stderr } = await run(child, { cwd: w.directory })
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  const samples = jsonObjects(stdout) as unknown as ReadonlyArray<Sample>
  const warm = samples.filter(({ step }) => step > WARM)
  expect(warm.length).toBe((STEPS - WARM) / 50)
  for (const counted of ["tensors", "buffers"] as const) {
    const counts = warm.map((one) => one[counted])
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(MOST_HELD)
  }
  const resident = warm.map((one) => one.resident)
  const growth = median(resident.slice(-12)) - median(resident.slice(0, 12))
  console.log(`resident ${(median(resident) / 1e6).toFixed(0)} MB, growth ${(growth / 1e6).toFixed(1)} MB`)
  expect(growth).toBeLessThan(MOST_GROWTH)
}, 600_000)
