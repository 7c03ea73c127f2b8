/**
 * SmolLM2-135M-Instruct, from its GGUF file, against PyTorch: twenty steps at 4 × 128 tokens of real text, by the full form of
 * LoRA-Pro, and the first eight by LoRA and by its efficient form, on two threads. All forms take twenty steps on tiny models
 * (src/training/goldens.test.ts). The full form is on wasm, the others are on the native device where
 * there is one, which takes less time.
 *
 * Plain LoRA's losses are within 1.3 % of the efficient form's, so that a percent would tell nothing. What two orders of the
 * same float32 sums differ by is far less: 0.003 % in a loss and 0.04 % in a gradient's norm were measured, and ten times that is allowed.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { jsonObjects } from "../e2e/fixtures.ts"
import { hasNative } from "../runtime/runtimes.ts"
import { smolLm2 } from "./smollm2-file.ts"
import { type CpuDevice, type Followed, goldenRun, type RunName } from "./smollm2-training-child.ts"

const MOST = { loss: 3e-4, norm: 4e-3 }
/** Bytes of the process. */
const MEMORY = 3e9

const follow = async (name: RunName, steps: number, device: CpuDevice): Promise<Followed> => {
  const program = join(import.meta.dir, "smollm2-training-child.ts")
  const child = Bun.spawn([process.execPath, program, smolLm2!, name, String(steps), device], {
    stdout: "pipe",
    stderr: "pipe"
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect({ code: await child.exited, stderr }).toEqual({ code: 0, stderr: "" })
  return jsonObjects(stdout)[0] as unknown as Followed
}

const largest = (own: ReadonlyArray<number>, expected: ReadonlyArray<number>): number =>
  own.reduce((most, value, k) => Math.max(most, Math.abs(value / expected[k]! - 1)), 0)

const fast = hasNative ? "native" : "wasm"
const runs: ReadonlyArray<readonly [RunName, steps: number, device: CpuDevice]> = [
  ["lora_adamw", 8, fast],
  ["lora_pro_adamw_efficient", 8, fast],
  ["lora_pro_adamw_full", 20, "wasm"]
]

for (const [name, steps, device] of runs) {
  test.skipIf(smolLm2 === undefined)(
    `${name}: PyTorch's losses and gradient norms, step by step`,
    async () => {
      const golden = goldenRun(name)
      const [loss, norm] = [golden.loss.slice(0, steps), golden.raw_gradient_norm.slice(0, steps)]
      const { losses, norms, milliseconds, peakBytes } = await follow(name, steps, device)
      expect([losses.length, loss.length]).toEqual([steps, steps])
      const distance = { loss: largest(losses, loss), norm: largest(norms, norm) }
      const ordered = milliseconds.toSorted((a, b) => a - b)
      const percent = (share: number) => `${(100 * share).toPrecision(2)} %`
      console.log(
        [
          `${name}, ${device}: loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}, from PyTorch's by ${percent(distance.loss)} at most,`,
          `gradient norms by ${percent(distance.norm)};`,
          `${ordered[steps >> 1]!.toFixed(0)} ms a step (median), ${(peakBytes / 1e9).toFixed(2)} GB at most`
        ].join(" ")
      )
      expect(distance.loss).toBeLessThanOrEqual(MOST.loss)
      expect(distance.norm).toBeLessThanOrEqual(MOST.norm)
      expect(peakBytes).toBeLessThan(MEMORY)
    },
    600_000
  )
}
