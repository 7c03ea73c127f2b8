/**
 * A long run stays as small as it was: 6,000 steps with evaluations and checkpoints, tensors and resident memory looked at
 * between them. In a process of its own: tfjs keeps records for its leak checks where it is told that it is tested.
 *
 * After the first 750 steps everything that is made once has been made (compiled code, wasm pages, the allocator's arenas); what may
 * still come is noise of the collector, 5 to 11 MB as measured. One forgotten [32, 64] tensor a step would be 29 MB from the first
 * third of the rest to the last. A checkpoint that is being written holds the tensors it is of, so each look waits until none is.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { jsonObjects, run, workspace } from "../e2e/fixtures.ts"
import { busyPlan } from "../e2e/runs.ts"
import type { Sample } from "./soak-child.ts"

const STEPS = 6_000
const WARM = 750
const MOST_GROWTH = 14e6
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
  expect(new Set(warm.map(({ tensors }) => tensors)).size).toBe(1)
  expect(new Set(warm.map(({ buffers }) => buffers)).size).toBe(1)
  const resident = warm.map((one) => one.resident)
  const third = Math.floor(resident.length / 3)
  const growth = median(resident.slice(-third)) - median(resident.slice(0, third))
  console.log(`resident ${(median(resident) / 1e6).toFixed(0)} MB, growth ${(growth / 1e6).toFixed(1)} MB`)
  expect(growth).toBeLessThan(MOST_GROWTH)
}, 600_000)
