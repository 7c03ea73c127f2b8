/**
 * A long run stays as small as it was: 18,000 steps with evaluations and checkpoints, tensors and resident memory looked at
 * between them. In a process of its own: tfjs keeps records for its leak checks where it is told that it is tested.
 *
 * After the first 750 steps everything that is made once has been made (compiled code, wasm pages, the allocator's arenas). From the
 * first third of the rest to the last, one [32, 64] tensor a step would be 94 MB wherever it is kept: among tfjs's tensors, which are
 * counted; on JavaScript's heap, which a full collection leaves equal to 0.6 MB; or in memory that neither knows, which the process's
 * resident size shows. That size swings by 80 MB from look to look with what the allocator has not yet given back; its floor swings
 * less (by up to 26 MB between thirds, where other work shares the machine), and a leak raises it.
 * A checkpoint that is being written holds the tensors it is of, so each look waits until none is.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { jsonObjects, run, workspace } from "../e2e/fixtures.ts"
import { busyPlan } from "../e2e/runs.ts"
import type { Sample } from "./soak-child.ts"

const STEPS = 18_000
const WARM = 750
/** It takes two minutes on two quiet cores. */
const LONG = 600_000
const MOST_HEAP_GROWTH = 2e6
const MOST_RESIDENT_GROWTH = 47e6
const w = workspace()

const median = (numbers: ReadonlyArray<number>): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

/** Of the last third of the samples over the first. */
const growth = (
  samples: ReadonlyArray<Sample>,
  key: "heap" | "resident",
  of: (values: ReadonlyArray<number>) => number
) => {
  const third = Math.floor(samples.length / 3)
  const values = samples.map((sample) => sample[key])
  return of(values.slice(-third)) - of(values.slice(0, third))
}

test(
  "memory is flat over thousands of steps",
  async () => {
    w.model("bert")
    const training = { steps: STEPS, batchSize: 4, evaluateEvery: 100 }
    w.write("soak.json", busyPlan("bert", STEPS, { training, output: { checkpointEvery: 50, keep: 2 } }))
    const child = [process.execPath, join(import.meta.dir, "soak-child.ts"), "soak.json", "soak"]
    const { code, stdout, stderr } = await run(child, { cwd: w.directory, timeout: LONG })
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const samples = jsonObjects(stdout) as unknown as ReadonlyArray<Sample>
    const warm = samples.filter(({ step }) => step > WARM)
    expect(warm.length).toBe((STEPS - WARM) / 50)
    expect(new Set(warm.map(({ tensors }) => tensors)).size).toBe(1)
    expect(new Set(warm.map(({ buffers }) => buffers)).size).toBe(1)
    const heap = growth(warm, "heap", median)
    const resident = growth(warm, "resident", (values) => Math.min(...values))
    console.log(
      `growth of the heap ${(heap / 1e6).toFixed(2)} MB, of the resident floor ${(resident / 1e6).toFixed(1)} MB`
    )
    expect(heap).toBeLessThan(MOST_HEAP_GROWTH)
    expect(resident).toBeLessThan(MOST_RESIDENT_GROWTH)
  },
  LONG
)
