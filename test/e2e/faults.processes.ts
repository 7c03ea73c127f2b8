/**
 * What a machine does to a run: a full disk, folders and files that go away, numbers that overflow, a GPU that is lost, a second
 * process, a kill. Each is one message and exit code 1; what was saved stands; and when the cause is gone the run goes on and
 * becomes the run that was never disturbed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { webgpu } from "../runtime/runtimes.ts"
import { listing, onWasm, run, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { busyPlan, hashes, type Launched, launch, launchFaulty, metricsOf, resultsOf } from "./runs.ts"

const w = workspace()
const STEPS = 30
const whole = "whole/busy"

beforeAll(async () => {
  w.model("bert")
  w.write("busy.json", busyPlan("bert", STEPS))
  await succeed(w.cli(["train", "busy.json", "--out", whole, ...onWasm]))
}, TIMEOUT)

const goesOn = async (folder: string) => {
  await succeed(w.cli(["train", "--resume", folder, ...onWasm]))
  expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
}

/** Fails unless a run ended with exit code 1 and one message, which is returned, and without a stack. */
const failure = async (run: Launched): Promise<{ readonly message: string; readonly stderr: string }> => {
  const { code, stderr } = await run.ended
  expect(code).toBe(1)
  expect(stderr).not.toContain("    at ")
  const parts = stderr.split("\nERROR\n  ")
  expect(parts).toHaveLength(2)
  return { message: parts[1]!.trimEnd(), stderr }
}

const checkpointsIn = (folder: string) => readdirSync(w.path(`${folder}/checkpoints`)).sort()
const lastStep = (folder: string) =>
  metricsOf(w, folder)
    .filter(({ kind }) => kind === "step")
    .at(-1)?.["step"]

describe("a full disk", () => {
  test(
    "under a checkpoint: the one before stands, no part of it is left",
    async () => {
      const folder = "full/busy"
      const fault = { operation: "sync", path: "state.safetensors", after: 3, full: true } as const
      const { message, stderr } = await failure(launchFaulty(w, fault, "train", "busy.json", "--out", folder))
      expect(message).toMatch(
        /^cannot write full\/busy\/checkpoints\/step-\d{8}: state\.safetensors cannot be written: no space is left on the device$/
      )
      const [, saved] = /step \d+ is not saved \(.*no space is left.*\); step (\d+) is saved; resume with: /.exec(
        stderr
      )!
      expect(checkpointsIn(folder).at(-1)).toBe(`step-${saved!.padStart(8, "0")}`)
      expect(listing(w.path(folder)).filter((file) => file.includes(".tmp-"))).toEqual([])
      await goesOn(folder)
    },
    TIMEOUT
  )

  test(
    "under metrics.jsonl: a step whose numbers could not be written is not saved, so that none is missing",
    async () => {
      // the rows: an evaluation before, three steps and an evaluation, again and again
      for (const [after, said] of [
        [10, /step 8 is not saved \(its metrics could not be recorded\); step 6 is saved; resume with/],
        [12, /\nstep 9 is saved; resume with/]
      ] as const) {
        const folder = `unwritten-${after}/busy`
        const fault = { operation: "write", path: "metrics.jsonl", after, full: true } as const
        const { message, stderr } = await failure(launchFaulty(w, fault, "train", "busy.json", "--out", folder))
        expect(message).toBe(`cannot write ${folder}/metrics.jsonl: no space is left on the device`)
        expect(stderr).toMatch(said)
        await goesOn(folder)
      }
    },
    TIMEOUT
  )

  test(
    "under the adapter: all is trained and saved, and only the end is done again",
    async () => {
      const folder = "unsaved/busy"
      const fault = { operation: "open", path: "head.safetensors", full: true } as const
      const { message, stderr } = await failure(launchFaulty(w, fault, "train", "busy.json", "--out", folder))
      expect(message).toMatch(/head\.safetensors: cannot be written: no space is left on the device$/)
      expect(stderr).toContain(`step ${STEPS} is saved; resume with: bun run train --resume ${folder}`)
      // half an adapter is none: there is no run.json to vouch for it
      expect(readdirSync(w.path(folder)).sort()).toEqual(["adapter", "checkpoints", "metrics.jsonl", "plan.json"])
      const predicted = await w.cli(["predict", folder, "the film is good", ...onWasm])
      expect(predicted.code).toBe(1)
      expect(predicted.stderr).toContain("run.json is missing")
      await goesOn(folder)
    },
    TIMEOUT
  )

  const disk = w.path("disk")
  const mounted =
    process.platform === "linux" &&
    Bun.spawnSync(["mkdir", disk]).success &&
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", disk], { stderr: "ignore" }).success
  if (!mounted) console.warn("no permission to mount: the test on a real full disk is skipped")
  afterAll(() => void (mounted && Bun.spawnSync(["umount", disk])))

  test.skipIf(!mounted)(
    "that is a real one, of 500 kB",
    async () => {
      const folder = "disk/busy"
      const { message } = await failure(launch(w, "train", "busy.json", "--out", folder))
      expect(message).toMatch(/no space is left on the device$/)
      expect(checkpointsIn(folder).length).toBeGreaterThan(0)
      expect(lastStep(folder)).toBeGreaterThan(1)
      Bun.spawnSync(["mount", "-o", "remount,size=20m", disk])
      await goesOn(folder)
    },
    TIMEOUT
  )
})

describe("a folder", () => {
  test(
    "that cannot be written is said before a step is taken",
    async () => {
      w.write("a-file", "no folder")
      const { message } = await failure(launch(w, "train", "busy.json", "--out", "a-file/busy"))
      expect(message).toBe("cannot write a-file/busy: a-file is not a folder")
      expect(w.read("a-file")).toBe("no folder")
      w.write("runs", "no folder either")
      const unnamed = await failure(launch(w, "train", "busy.json"))
      expect(unnamed.message).toBe("cannot write runs/busy: runs is not a folder")
    },
    TIMEOUT
  )

  test(
    "that is removed under the run ends it; it is not made again",
    async () => {
      const training = launch(w, "train", "busy.json", "--out", "removed/busy")
      await training.said("after step 3:")
      // the run stands still meanwhile: it writes into the folder, and asks where it is
      training.kill("SIGSTOP")
      rmSync(w.path("removed/busy"), { recursive: true })
      training.kill("SIGCONT")
      const { message, stderr } = await failure(training)
      // the metrics, a checkpoint's folder, or a file within it: whichever the run was at
      expect(message).toMatch(/^cannot write removed\/busy\/\S+: (?:\S+ cannot be written: )?no such file or folder$/)
      expect(stderr).toContain("removed/busy was removed, with all saved steps")
      expect(existsSync(w.path("removed/busy"))).toBe(false)
    },
    TIMEOUT
  )
})

test(
  "a data file that loses rows while training: the state is saved, and the run goes on with the whole file only",
  async () => {
    const folder = "shorter/busy"
    const rows = w.read("train.jsonl")
    const training = launch(w, "train", "busy.json", "--out", folder)
    await training.said("after step 3:")
    truncateSync(w.path("train.jsonl"), rows.lastIndexOf("\n", rows.length / 2) + 1)
    const { message, stderr } = await failure(training)
    expect(message).toBe("train.jsonl: the file became shorter while it was in use; start again")
    expect(stderr).toMatch(/step \d+ is saved; resume with/)
    const before = hashes(w, folder)
    const early = await w.cli(["train", "--resume", folder, ...onWasm])
    expect(early.code).toBe(1)
    expect(early.stderr).toMatch(/data\.train: trained with SHA-256/)
    expect(hashes(w, folder)).toEqual(before)
    w.write("train.jsonl", rows)
    await goesOn(folder)
  },
  TIMEOUT
)

describe("numbers that are not finite", () => {
  test(
    "end the run with the step and the place, and the last good step is saved",
    async () => {
      const folder = "diverged/busy"
      const args = ["--set", "optimizer.learningRate=1e18", "--set", "optimizer.kind=adamw", "--out", folder]
      w.write("huge.json", { ...busyPlan("bert", STEPS), optimizer: { kind: "adamw", learningRate: 1e18 } })
      const { message, stderr } = await failure(launch(w, "train", "huge.json", ...args))
      const [, step, place] =
        /^step (\d+) is not finite \(loss [^;]+; first at (.*)\): lower the learning rate, add warm-up, or set optimizer\.clipNorm; the parameters of step \d+ are kept$/.exec(
          message
        )!
      expect(place).toMatch(/^(the output of|the gradient of [AB] of|[AB] of) encoder\.layer\.\d\.\S+$/)
      const good = Number(step) - 1
      expect(good).toBeGreaterThan(0)
      expect(stderr).toContain(`step ${good} is saved; resume with: bun run train --resume ${folder}`)
      expect(lastStep(folder)).toBe(good)
      // the same run meets the same end: resuming it is possible, and changes nothing
      const before = hashes(w, folder)
      const again = await failure(launch(w, "train", "--resume", folder))
      expect(again.message).toBe(message)
      expect(hashes(w, folder)).toEqual(before)
    },
    TIMEOUT
  )
})

describe.skipIf(!webgpu.exists)("a GPU that is lost", () => {
  test(
    "ends the run with a device error; what it computed last is not saved, and the run goes on from the checkpoint before",
    async () => {
      const folder = "lost/gpu"
      w.write(
        "gpu.json",
        tinyPlan("bert", { training: { steps: 8, batchSize: 4 }, output: { checkpointEvery: 2, keep: 2 } })
      )
      // at step 5 nothing is due: the next step finds the device gone; at step 4 the copy for the checkpoint does
      for (const [step, saved] of [
        [5, 4],
        [4, 2]
      ] as const) {
        const own = `${folder}-${step}`
        const script = join(import.meta.dir, "lost-device.ts")
        const { stdout, stderr } = await run([process.execPath, script, "gpu.json", own, `${step}`], {
          cwd: w.directory
        })
        const lines = stdout.trimEnd().split("\n")
        expect(stderr + lines.at(-1)).toContain('{"tag":')
        const { tag, message, notices } = JSON.parse(lines.at(-1)!)
        expect(tag).toBe("DeviceError")
        expect(message).toMatch(/device|lost|destroyed/i)
        expect(notices.at(-1)).toContain(`step ${saved} is saved; resume with: bun run train --resume ${own}`)
        expect(checkpointsIn(own).at(-1)).toBe(`step-0000000${saved}`)
        const { stderr: resumed } = await succeed(w.cli(["train", "--resume", own, ...onWasm]))
        expect(resumed).toContain(`resumes after step ${saved}\n`)
        expect(metricsOf(w, own).flatMap(({ kind, step }) => (kind === "step" ? [step] : []))).toEqual([
          1, 2, 3, 4, 5, 6, 7, 8
        ])
      }
    },
    3 * TIMEOUT
  )
})

describe("a process", () => {
  test(
    "that is killed leaves a run that goes on, and a lock that is nobody's",
    async () => {
      const folder = "killed/busy"
      const training = launch(w, "train", "busy.json", "--out", folder)
      await training.said("after step 6:")
      training.kill("SIGKILL")
      const { signal } = await training.ended
      expect(signal).toBe("SIGKILL")
      expect(JSON.parse(w.read(`${folder}/lock`))).toMatchObject({ pid: training.pid, host: hostname() })
      await goesOn(folder)
      expect(existsSync(w.path(`${folder}/lock`))).toBe(false)
    },
    TIMEOUT
  )

  test(
    "that finds another one in the folder leaves it alone, and so does one on another host's folder",
    async () => {
      const folder = "two/busy"
      const first = launch(w, "train", "busy.json", "--out", folder)
      await first.said("before training")
      // held up, or a fast machine has it done before the second one looks
      first.kill("SIGSTOP")
      const second = await failure(launch(w, "train", "--resume", folder))
      first.kill("SIGCONT")
      expect(second.message).toBe(
        `${folder} is being written by process ${first.pid}; wait for it, or remove ${folder}/lock if that process has ended`
      )
      expect((await first.ended).code).toBe(0)
      expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
      const foreign = JSON.stringify({ pid: 1, host: "elsewhere" })
      writeFileSync(w.path(`${folder}/lock`), foreign)
      const third = await failure(launch(w, "train", "--resume", folder))
      expect(third.message).toContain("is being written by process 1 on elsewhere")
      expect(readFileSync(w.path(`${folder}/lock`), "utf8")).toBe(foreign)
    },
    TIMEOUT
  )
})
