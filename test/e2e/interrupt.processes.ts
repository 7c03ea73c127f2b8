/**
 * Signals to a real process: the first one finishes the step, saves, says how to go on, and exits with 130; a second one leaves at
 * once. Nothing is lost by either. (Interruptions at exact moments, in one process: resume.processes.ts.)
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { cli, listing, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { busyPlan, type Launched, launch, launchFaulty, metricsOf, resultsOf, start } from "./runs.ts"

const w = workspace()
// Long enough that a signal sent when a line was read arrives in the run.
const STEPS = 60
const whole = "whole/busy"

beforeAll(async () => {
  w.model("bert")
  w.write("busy.json", busyPlan("bert", STEPS))
  await succeed(w.cli(["train", "busy.json", "--out", whole, ...onWasm]))
}, TIMEOUT)

/** Fails unless the folder, resumed, becomes the uninterrupted run. */
const goesOn = async (folder: string) => {
  await succeed(w.cli(["train", "--resume", folder, ...onWasm]))
  expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
}

/** The one line that says how to go on, and with which step. */
const savedStep = (stderr: string, folder: string): number => {
  const lines = stderr.split("\n").filter((line) => line.includes("--resume"))
  expect(lines).toEqual([expect.stringMatching(/^step \d+ is saved; resume with: bun run train --resume \S+$/)])
  expect(lines[0]).toEndWith(folder)
  return Number(/^step (\d+)/.exec(lines[0]!)![1])
}

describe("the first signal", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(
      `${signal} finishes the step, saves it, says how to go on, and exits with 130`,
      async () => {
        const folder = `${signal}/busy`
        const run = launch(w, "train", "busy.json", "--out", folder)
        await run.said("after step 9:")
        run.kill(signal)
        const { code, stderr } = await run.ended
        expect(code).toBe(130)
        const step = savedStep(stderr, folder)
        expect(step).toBeGreaterThanOrEqual(9)
        expect(step).toBeLessThan(STEPS)
        // what it saved is what it reported, and the folder is nobody's
        expect(
          metricsOf(w, folder)
            .filter(({ kind }) => kind === "step")
            .at(-1)
        ).toMatchObject({ step })
        expect(readdirSync(w.path(folder)).sort()).toEqual(["checkpoints", "metrics.jsonl", "plan.json"])
        expect(listing(w.path(folder)).filter((file) => file.includes(".tmp-"))).toEqual([])
        expect(listing(w.path(folder))).toContain(`checkpoints/step-${String(step).padStart(8, "0")}`)
        await goesOn(folder)
      },
      TIMEOUT
    )
  }

  test(
    "before the model is loaded leaves nothing, and says so",
    async () => {
      const run = launch(w, "train", "busy.json", "--out", "early/busy")
      await run.said("trainable parameters")
      run.kill("SIGINT")
      const { code, stderr } = await run.ended
      // it may have come as far as the first evaluation
      if (existsSync(w.path("early/busy"))) expect(stderr).toContain("--resume early/busy")
      else expect(stderr).toContain("interrupted before training began\n")
      expect(code).toBe(130)
    },
    TIMEOUT
  )

  test(
    "of a terminal, which arrives twice when a package script started the run, is one",
    async () => {
      const folder = "terminal/busy"
      w.write("package.json", { scripts: { train: `bun ${cli} train` } })
      const command = [process.execPath, "run", "train", "busy.json", "--out", folder, ...onWasm]
      const run = start(command, w.directory, { group: true })
      await run.said("after step 9:")
      run.kill("SIGINT")
      const { code, stderr } = await run.ended
      expect(code).toBe(130)
      const [line] = stderr.split("\n").filter((text) => text.includes("--resume"))
      expect(line).toMatch(/^step \d+ is saved; resume with: bun run train --resume terminal\/busy$/)
      await goesOn(folder)
    },
    TIMEOUT
  )

  test(
    "while a checkpoint is being written waits for its end",
    async () => {
      const folder = "writing/busy"
      const slow = { operation: "sync", path: "state.json", milliseconds: 300 } as const
      const run = launchFaulty(w, slow, "train", "busy.json", "--out", folder)
      await run.said("fault: sync")
      run.kill("SIGINT")
      const { code, stderr } = await run.ended
      expect(code).toBe(130)
      savedStep(stderr, folder)
      expect(listing(w.path(folder)).filter((file) => file.includes(".tmp-"))).toEqual([])
      await goesOn(folder)
    },
    TIMEOUT
  )
})

describe("a second signal", () => {
  // Longer than signals count as one, and than a process takes to see them.
  const LATER = 700
  const SLOW = 30_000

  test(
    "leaves at once, in the middle of saving, and what was saved before is whole",
    async () => {
      const folder = "twice/busy"
      // one that would take half a minute; those before it are quick
      const slow = { operation: "sync", path: "state.json", after: 3, milliseconds: SLOW } as const
      const run: Launched = launchFaulty(w, slow, "train", "busy.json", "--out", folder)
      await run.said("fault: sync")
      run.kill("SIGINT")
      await Bun.sleep(LATER)
      const began = performance.now()
      run.kill("SIGINT")
      const { code } = await run.ended
      expect(code).toBe(130)
      expect(performance.now() - began).toBeLessThan(SLOW / 10)
      // the lock of a process that is gone, and the folder of a checkpoint that never was
      expect(listing(w.path(folder))).toContain("lock")
      expect(readdirSync(w.path(`${folder}/checkpoints`)).filter((name) => name.includes(".tmp-"))).toHaveLength(1)
      await goesOn(folder)
      expect(listing(w.path(folder)).filter((file) => /lock|\.tmp-/.test(file))).toEqual([])
    },
    TIMEOUT
  )
})
