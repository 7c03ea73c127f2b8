/**
 * The promise of checkpoints, kept or broken: a run that is killed (SIGKILL: nothing of it gets to run) at any moment, and resumed,
 * and killed again while it resumes, ends with the bytes of the run that nobody touched. 30 of 30.
 *
 * Moments are seeded: a random step, and a random time within it. Checkpoints are written after every step, and for every other trial to a
 * disk that takes its time, so that many kills fall into a write. The moments inside a write are also hit one by one, on a file
 * system that stops before each operation.
 *
 *   bun test ./test/long/kill.long.ts
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { randomStream } from "../../src/numbers/random.ts"
import type { FaultDescription } from "../e2e/faulty-cli.ts"
import { jsonLines, onWasm, succeed, tinyRows, workspace } from "../e2e/fixtures.ts"
import { busyPlan, hashes, type Launched, launch, launchFaulty, resultsOf } from "../e2e/runs.ts"

const TRIALS = 30
const SEED = 20_240_718
/** Longer than any trial on a busy machine: at most four legs of seconds. */
const TIMEOUT = 120_000
const STEPS = 40
/** kills of the export of each format */
const EXPORTS = 5

const w = workspace()
const whole = "whole/run"
/** Every checkpoint is flushed some five times: it then takes as long to write as a few steps. */
const slow: FaultDescription = { operation: "sync", path: "checkpoints", milliseconds: 8 }
/** milliseconds that a step of the undisturbed run takes, its checkpoint included, at most: on a quick disk and on a slow one */
let stepTimes: readonly [number, number] = [0, 0]
/** One kill of so many falls before the first step: into the start of the process, or of its resuming. */
const EARLY = 1 / 6
/** milliseconds: less than any process needs before its first step */
const START_UP = 400

beforeAll(async () => {
  w.model("bert")
  w.write(
    "run.json",
    busyPlan("bert", STEPS, {
      // at such a rate it soon gets worse, and at its end the best state is compared with the last
      seed: 2,
      optimizer: { kind: "adamw", learningRate: 0.05 },
      training: {
        steps: STEPS,
        batchSize: 4,
        accumulate: 2,
        evaluateEvery: 5,
        stopEarly: { metric: "accuracy", patience: 9 }
      },
      output: { checkpointEvery: 1, keepCheckpoints: 2 }
    })
  )
  w.write("validation.jsonl", jsonLines(tinyRows(24, 24)))
  const began = performance.now()
  await succeed(w.cli(["train", "run.json", "--out", whole, ...onWasm]))
  const between = performance.now()
  expect(w.json(`${whole}/run.json`)["kept"]).toMatchObject({ compared: { step: expect.any(Number) } })
  expect((await launchFaulty(w, slow, "train", "run.json", "--out", "slow/run").ended).code).toBe(0)
  stepTimes = [(between - began) / STEPS, (performance.now() - between) / STEPS]
}, TIMEOUT)

/** What lay about when a process was killed. */
interface Remains {
  readonly halfCheckpoint: boolean
  readonly halfLine: boolean
  readonly steps: number
  readonly finished: boolean
}

const remainsOf = (folder: string): Remains => {
  const read = (name: string) => {
    const file = w.path(join(folder, name))
    return existsSync(file) ? readFileSync(file, "utf8") : ""
  }
  const checkpoints = w.path(join(folder, "checkpoints"))
  const names = existsSync(checkpoints) ? readdirSync(checkpoints) : []
  const metrics = read("metrics.jsonl")
  return {
    halfCheckpoint: names.some((name) => name.includes(".tmp-")),
    halfLine: metrics !== "" && !metrics.endsWith("\n"),
    steps: metrics.split("\n").filter((line) => line.includes('"kind":"step"')).length,
    finished: read("run.json") !== ""
  }
}

/** Starts the run, or goes on with it where there is something to go on with. */
const argumentsFor = (folder: string): ReadonlyArray<string> => {
  if (existsSync(w.path(join(folder, "plan.json")))) return ["train", "--resume", folder]
  // killed between making the folder and writing its plan: nothing was reported, and the next one starts anew
  rmSync(w.path(folder), { recursive: true, force: true })
  return ["train", "run.json", "--out", folder]
}

/**
 * Kills once `moment` holds, asked every millisecond, and `milliseconds` more have passed. A moment is a step, not a time: how long a
 * process takes to start depends on what else the machine does, and of moments by the clock most fell after the end of the run.
 */
const killAt = async (run: Launched, moment: () => boolean, milliseconds: number) => {
  let ended = false
  const end = run.ended.then(() => (ended = true))
  while (!ended && !moment()) await Bun.sleep(1)
  await Promise.race([Bun.sleep(milliseconds), end])
  try {
    run.kill("SIGKILL")
  } catch {
    // it came to its end
  }
  await run.ended
}

const finish = async (folder: string) => {
  await succeed(w.cli([...argumentsFor(folder), ...onWasm]))
  expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
}

describe("killed at random", () => {
  const remains: Array<Remains> = []

  for (let trial = 0; trial < TRIALS; trial++) {
    test(
      `${trial + 1} of ${TRIALS}`,
      async () => {
        const random = randomStream(SEED, "kill", trial)
        const folder = `trial-${trial}/run`
        const kills = 1 + Math.floor(3 * random())
        for (let kill = 0; kill < kills; kill++) {
          const args = argumentsFor(folder)
          const run = trial % 2 === 0 ? launch(w, ...args) : launchFaulty(w, slow, ...args)
          const early = random() < EARLY
          const { steps } = remainsOf(folder)
          const step = steps + Math.floor(random() * (STEPS - steps))
          await killAt(
            run,
            () => early || remainsOf(folder).steps >= step,
            random() * (early ? START_UP : stepTimes[trial % 2]!)
          )
          remains.push(remainsOf(folder))
        }
        await finish(folder)
      },
      TIMEOUT
    )
  }

  test("and the moments were such as can do harm", () => {
    const count = (what: (found: Remains) => boolean) => remains.filter(what).length
    console.log(
      `${remains.length} kills: ${count(({ halfCheckpoint }) => halfCheckpoint)} inside a checkpoint's writing, ` +
        `${count(({ steps }) => steps === 0)} before the first step, ${count(({ finished }) => finished)} after the end, ` +
        `${count(({ halfLine }) => halfLine)} inside a line of the metrics`
    )
    expect(remains.length).toBeGreaterThanOrEqual(TRIALS)
    expect(count(({ halfCheckpoint }) => halfCheckpoint)).toBeGreaterThan(TRIALS / 6)
    expect(count(({ steps, finished }) => steps > 0 && !finished)).toBeGreaterThan(TRIALS / 3)
  })
})

describe("an export that is killed leaves no part of a folder", () => {
  const formats = ["onnx", "huggingface"] as const
  const exported = (format: string, out: string) => ["export", whole, "--format", format, "--out", out]

  test.each(formats)(
    "%s",
    async (format) => {
      const began = performance.now()
      await succeed(w.cli([...exported(format, `whole/${format}`), ...onWasm]))
      const lifetime = performance.now() - began
      const expected = hashes(w, `whole/${format}`)
      const random = randomStream(SEED, "kill-export", formats.indexOf(format))
      for (let trial = 0; trial < EXPORTS; trial++) {
        const out = `killed/${format}-${trial}`
        // most of its files are written in the last third
        await killAt(launch(w, ...exported(format, out)), () => true, (0.5 + 0.6 * random()) * lifetime)
        if (existsSync(w.path(out))) expect(hashes(w, out)).toEqual(expected)
        else await succeed(w.cli([...exported(format, out), ...onWasm]))
        expect(hashes(w, out)).toEqual(expected)
      }
    },
    TIMEOUT
  )
})

describe("killed inside a checkpoint's writing, before", () => {
  const PAUSE = 10_000
  /** each operation of it, as it comes for the seventh checkpoint or so */
  const moments: Readonly<Record<string, FaultDescription>> = {
    "the tensors' file is opened": { operation: "open", path: "state.safetensors.tmp", after: 6 },
    // a write for the header and one for these small tensors
    "the tensors are written": { operation: "write", path: "state.safetensors.tmp", after: 13 },
    "the tensors are flushed": { operation: "sync", path: "state.safetensors.tmp", after: 6 },
    "the tensors get their name": { operation: "rename", path: "state.safetensors", after: 6 },
    "state.json is opened": { operation: "open", path: "state.json", after: 6 },
    "state.json is written": { operation: "write", path: "state.json", after: 6 },
    "the checksums are written": { operation: "write", path: "SHA256SUMS", after: 6 },
    "the folder gets its name": { operation: "rename", path: "checkpoints/step-", after: 13 },
    // writing a checkpoint removes what there may be of its name: the second removal is that of an old one
    "an old one is removed": { operation: "remove", path: "checkpoints/step-00000004$", after: 1 },
    "the last old one is removed": { operation: "remove", path: "checkpoints/step-00000038$", after: 1 },
    "the plan gets its name": { operation: "rename", path: "plan.json" },
    "the adapter's second file gets its name": { operation: "rename", path: "head.safetensors" },
    "run.json gets its name": { operation: "rename", path: "run.json" }
  }
  Object.entries(moments).forEach(([name, fault], i) => {
    test(
      name,
      async () => {
        const folder = `moment-${i}/run`
        const run = launchFaulty(w, { ...fault, milliseconds: PAUSE }, "train", "run.json", "--out", folder)
        await run.said("fault: ")
        run.kill("SIGKILL")
        await run.ended
        await finish(folder)
      },
      TIMEOUT
    )
  })
})
