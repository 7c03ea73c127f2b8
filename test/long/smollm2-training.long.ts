/**
 * SmolLM2-135M-Instruct, from its GGUF file, against PyTorch: twenty steps at 4 × 128 tokens of real text, by LoRA and two forms of
 * LoRA-Pro, on two threads.
 *
 * Plain LoRA's losses are within 1.3 % of the efficient form's, so that a percent would tell nothing. What two orders of the
 * same float32 sums differ by is far less: 0.003 % in a loss and 0.04 % in a gradient's norm were measured, and ten times that is allowed.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { jsonObjects } from "../e2e/fixtures.ts"
import { smolLm2 } from "./smollm2-file.ts"
import { type Followed, goldenRun, type RunName } from "./smollm2-training-child.ts"

const MOST = { loss: 3e-4, norm: 4e-3 }
/** Bytes of the process. */
const MEMORY = 3e9

const follow = async (name: RunName): Promise<Followed> => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "smollm2-training-child.ts"), smolLm2!, name], {
    stdout: "pipe",
    stderr: "pipe"
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect({ code: await child.exited, stderr }).toEqual({ code: 0, stderr: "" })
  return jsonObjects(stdout)[0] as unknown as Followed
}

const largest = (own: ReadonlyArray<number>, expected: ReadonlyArray<number>): number =>
  own.reduce((most, value, k) => Math.max(most, Math.abs(value / expected[k]! - 1)), 0)

const names: ReadonlyArray<RunName> = ["lora_adamw", "lora_pro_adamw_efficient", "lora_pro_adamw_full"]

for (const name of names) {
  test.skipIf(smolLm2 === undefined)(
    `${name}: PyTorch's losses and gradient norms, step by step`,
    async () => {
      const { loss, raw_gradient_norm, steps } = goldenRun(name)
      const { losses, norms, milliseconds, peakBytes } = await follow(name)
      expect(losses).toHaveLength(steps)
      const distance = { loss: largest(losses, loss), norm: largest(norms, raw_gradient_norm) }
      const ordered = milliseconds.toSorted((a, b) => a - b)
      const percent = (share: number) => `${(100 * share).toPrecision(2)} %`
      console.log(
        [
          `${name}: loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}, from PyTorch's by ${percent(distance.loss)} at most,`,
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
