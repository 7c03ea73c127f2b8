/**
 * A resumed run is the same run: whatever was trained how, interrupted where, it ends with the same bytes as one that was never
 * interrupted. And what cannot be the same run is refused, with nothing changed.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Device } from "../../src/device/index.ts"
import { readPlan, resolve } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress, type ProgressEvent } from "../../src/progress.ts"
import { train } from "../../src/train.ts"
import { jsonLines, listing, onWasm, type Plan, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "./fixtures.ts"
import { busyPlan, checkpointsOf, hashes, metricsOf, resultsOf } from "./runs.ts"

const w = workspace()
beforeAll(() => {
  w.model("bert")
})

interface InProcess {
  readonly directory?: string
  readonly resume?: string
  readonly threads?: number
  /** interrupts once this is heard */
  readonly until?: (event: ProgressEvent) => boolean
}

/** `train` in this process on wasm; a fiber is interrupted as a signal interrupts it. What it said. */
const trainHere = (plan: string, { directory, resume: from, threads = 1, until }: InProcess) =>
  Effect.gen(function* () {
    const notices: Array<string> = []
    let heard: (() => void) | undefined
    const moment = new Promise<void>((done) => (heard = done))
    const listener = (event: ProgressEvent) =>
      Effect.gen(function* () {
        if (event.kind === "notice") notices.push(event.message)
        if (until?.(event) !== true) return
        heard?.()
        // the interruption arrives here, in the middle of whatever tells
        yield* Effect.sleep(1)
      })
    const file = from === undefined ? plan : `${from}/plan.json`
    const run = Effect.gen(function* () {
      const { plan, name } = yield* readPlan(w.path(file))
      const resolved = yield* resolve(plan, from === undefined ? name : basename(from))
      return yield* train(resolved, {
        ...(directory === undefined ? {} : { directory: w.path(directory) }),
        ...(from === undefined ? {} : { resume: w.path(from) })
      })
    }).pipe(
      Effect.scoped,
      Effect.provideService(Progress, listener),
      Effect.provide(Device.layer("wasm", { threads })),
      Effect.provide(platform)
    )
    const fiber = yield* Effect.forkChild(run)
    if (until !== undefined) {
      yield* Effect.promise(() => moment)
      yield* Fiber.interrupt(fiber)
    }
    const exit = yield* Fiber.await(fiber)
    return { exit, notices }
  }).pipe(Effect.runPromise)

const complete = async (plan: string, directory: string, options: InProcess = {}) => {
  const { exit } = await trainHere(plan, { directory, ...options })
  expect(exit._tag).toBe("Success")
}

/** The bytes of the tensors in a run's checkpoints. */
const tensorsOf = (folder: string) => checkpointsOf(w, folder).all.map(([name, bytes]) => [name, bytes])

const atStep = (step: number) => (event: ProgressEvent) => event.kind === "step" && event.step === step

const STEPS = 10
const optimizer = (kind: string, more: object = {}) => ({ kind, learningRate: 1e-2, ...more })
const schedule = { kind: "cosine", warmup: 0.2 }

/** Everything that has a state of its own. */
const plans: Readonly<Record<string, Plan>> = {
  "lora-pro full": busyPlan("bert", STEPS),
  "lora-pro full, clipped and decayed": busyPlan("bert", STEPS, {
    optimizer: optimizer("lora-pro", { clipNorm: 0.5, weightDecay: 0.1, schedule })
  }),
  "lora-pro efficient": busyPlan("bert", STEPS, { optimizer: optimizer("lora-pro", { form: "efficient", schedule }) }),
  "lora-pro sgd": busyPlan("bert", STEPS, { optimizer: optimizer("lora-pro", { form: "sgd" }) }),
  "lora-pro without damping": busyPlan("bert", STEPS, { optimizer: optimizer("lora-pro", { damping: 0 }) }),
  "adamw, clipped": busyPlan("bert", STEPS, { optimizer: optimizer("adamw", { clipNorm: 0.5, schedule }) }),
  "sgd with momentum": busyPlan("bert", STEPS, { optimizer: optimizer("sgd", { momentum: 0.9 }) }),
  "full fine-tuning": busyPlan("bert", STEPS, { adapter: { method: "full" }, optimizer: optimizer("adamw") }),
  "the head alone": busyPlan("bert", STEPS, { adapter: { method: "none" }, optimizer: optimizer("adamw") }),
  "epochs, a validation share, no accumulation": busyPlan("bert", STEPS, {
    data: { ...tinyPlan("bert").data, validation: 0.25, bucketPool: 2 },
    training: { epochs: 2.2, batchSize: 4, evaluateEvery: 3 }
  }),
  "a pooler head and modules to save": busyPlan("bert", STEPS, {
    model: { source: "bert", task: { kind: "classification", pooling: "pooler" } },
    adapter: { method: "lora", rank: 2, alpha: 4, modulesToSave: ["encoder.layer.0.output.LayerNorm"] }
  })
}

describe("interrupted after any step and resumed, it is the uninterrupted run:", () => {
  Object.entries(plans).forEach(([name, plan], i) => {
    test(
      name,
      async () => {
        const file = w.write(`plan-${i}.json`, plan)
        await complete(file, `runs/whole-${i}`)
        // three legs; a different place in the checkpoints, the evaluations and the epochs for every plan
        const [first, second] = [2 + (i % 3), 6 + (i % 3)]
        const cut = `runs/cut-${i}`
        await trainHere(file, { directory: cut, until: atStep(first) })
        const { notices } = await trainHere(file, { resume: cut, until: atStep(second) })
        expect(notices).toEqual([
          `goes on after step ${first}`,
          `step ${second} is saved; go on with: bun run train --resume ${w.path(cut)}`
        ])
        expect(metricsOf(w, cut).at(-1)).toMatchObject({ kind: "step", step: second })
        await complete(file, cut, { resume: cut })
        expect(resultsOf(w, cut)).toEqual(resultsOf(w, `runs/whole-${i}`))
      },
      TIMEOUT
    )
  })
})

describe("interrupted elsewhere, it is the same run too:", () => {
  const moments: Readonly<Record<string, (event: ProgressEvent) => boolean>> = {
    "in the evaluation before the first step": ({ kind }) => kind === "evaluating",
    "right after it": ({ kind }) => kind === "evaluation",
    "after the first step": atStep(1),
    "in an evaluation": (event) => event.kind === "evaluating" && event.split === "validation",
    "right after an evaluation": (event) => event.kind === "evaluation" && event.step === 3,
    "after the last step": atStep(STEPS),
    "in the last evaluation": (event) => event.kind === "evaluating" && event.split === "test" && event.of === 9,
    "right after the last evaluation": (event) => event.kind === "evaluation" && event.rows === 9
  }
  beforeAll(async () => {
    w.write("moments.json", busyPlan("bert", STEPS))
    await complete("moments.json", "runs/moments")
  }, TIMEOUT)

  Object.entries(moments).forEach(([name, until], i) => {
    test(
      name,
      async () => {
        // without a checkpoint the folder names the run
        const cut = `cut-${i}/moments`
        const { exit, notices } = await trainHere("moments.json", { directory: cut, until })
        expect(exit._tag).toBe("Failure")
        expect(notices.at(-1)).toMatch(/^(step \d+ is saved|no step is saved yet); go on with: bun run train --resume /)
        expect(listing(w.path(cut))).not.toContain("lock")
        expect(listing(w.path(cut))).not.toContain("run.json")
        await complete("moments.json", cut, { resume: cut })
        expect(resultsOf(w, cut)).toEqual(resultsOf(w, "runs/moments"))
      },
      TIMEOUT
    )
  })

  test(
    "again and again, after every single step, on one and on two threads",
    async () => {
      const cut = "often/moments"
      await trainHere("moments.json", { directory: cut, until: atStep(1) })
      for (let step = 2; step <= STEPS; step++) {
        await trainHere("moments.json", { resume: cut, until: atStep(step), threads: 1 + (step % 2) })
      }
      await complete("moments.json", cut, { resume: cut })
      const [report, often] = [resultsOf(w, "runs/moments"), resultsOf(w, cut)]
      expect(often).toEqual(report)
    },
    TIMEOUT
  )
})

describe("a run that is finished", () => {
  const resumed = () => w.cli(["train", "--resume", "runs/moments", ...onWasm])

  test(
    "is said to be, in one line, and not a byte of it changes",
    async () => {
      const before = hashes(w, "runs/moments")
      const { code, stdout, stderr } = await resumed()
      expect(code).toBe(0)
      expect(stderr).toContain("runs/moments is finished: all 10 steps are trained, and nothing is done again\n")
      expect(stderr).not.toContain("after step")
      expect(stdout).toContain("Gained on test")
      expect(hashes(w, "runs/moments")).toEqual(before)
      // checkpoints are large, and somebody may have thrown them away
      renameSync(w.path("runs/moments/checkpoints"), w.path("kept"))
      expect((await resumed()).stderr).toContain("is finished")
      const longer = await w.cli(["train", "--resume", "runs/moments", "--set", "training.steps=12", ...onWasm])
      expect(longer.code).toBe(1)
      expect(longer.stderr).toContain("finished after 10 steps and has no whole checkpoint to go on from")
      renameSync(w.path("kept"), w.path("runs/moments/checkpoints"))
      expect(hashes(w, "runs/moments")).toEqual(before)
    },
    TIMEOUT
  )

  test(
    "can be longer: k steps, then k more, are 2k steps",
    async () => {
      w.write("longer.json", busyPlan("bert", STEPS, { training: { ...(busyPlan("bert", 4)["training"] as object) } }))
      await succeed(w.cli(["train", "longer.json", "--out", "runs/longer", ...onWasm]))
      const first = metricsOf(w, "runs/longer")
      const args = ["--set", `training.steps=${STEPS}`, ...onWasm]
      await succeed(w.cli(["train", "--resume", "runs/longer", ...args]))
      const [longer, whole] = [resultsOf(w, "runs/longer"), resultsOf(w, "runs/moments")]
      for (const file of ["adapter_model.safetensors", "head.safetensors"]) {
        expect(w.bytes(`runs/longer/adapter/${file}`)).toEqual(w.bytes(`runs/moments/adapter/${file}`))
      }
      expect(tensorsOf("runs/longer")).toEqual(tensorsOf("runs/moments"))
      const steps = (rows: typeof first) => rows.filter(({ kind }) => kind === "step")
      expect(steps(longer.metrics)).toEqual(steps(whole.metrics))
      // what the end of the shorter run reported is still there
      expect(longer.metrics.slice(0, first.length)).toEqual(first)
    },
    TIMEOUT
  )
})

describe("refused, with nothing changed:", () => {
  const cut = "runs/refused"
  beforeAll(async () => {
    w.write("refused.json", busyPlan("bert", STEPS))
    await trainHere("refused.json", { directory: cut, until: atStep(5) })
  }, TIMEOUT)

  /** Resumes `cut` with something changed, and puts it back. What was said. */
  const refusal = async (change: () => void, ...args: ReadonlyArray<string>) => {
    cpSync(w.path(cut), w.path("backup"), { recursive: true })
    change()
    const before = hashes(w, cut)
    const { code, stdout, stderr } = await w.cli(["train", "--resume", cut, ...args, ...onWasm])
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).not.toContain("    at ")
    expect(hashes(w, cut)).toEqual(before)
    rmSync(w.path(cut), { recursive: true })
    renameSync(w.path("backup"), w.path(cut))
    return stderr
  }
  /** A file of the workspace, changed for as long as a refusal takes. */
  const without = async (name: string, ask: () => Promise<string>) => {
    renameSync(w.path(name), w.path("away"))
    const said = await ask()
    rmSync(w.path(name), { recursive: true, force: true })
    renameSync(w.path("away"), w.path(name))
    return said
  }
  const plan = (edit: (text: string) => string) => () => w.write(`${cut}/plan.json`, edit(w.read(`${cut}/plan.json`)))

  test(
    "another plan, with every field that differs",
    async () => {
      const edit = (text: string) => text.replace('"rank": 4', '"rank": 2').replace('"seed": 1', '"seed": 2')
      const stderr = await refusal(plan(edit), "--set", "optimizer.learningRate=0.5")
      expect(stderr).toContain(`${cut} cannot go on: a resumed run is the same run`)
      for (const line of [
        "seed: trained with 1, now 2",
        "adapter.rank: trained with 4, now 2",
        "optimizer.learningRate: trained with 0.01, now 0.5"
      ]) {
        expect(stderr).toContain(`    ${line}\n`)
      }
    },
    TIMEOUT
  )

  test(
    "fewer steps than are trained",
    async () => {
      const stderr = await refusal(() => {}, "--set", "training.steps=4")
      expect(stderr).toContain("training.steps: 5 steps are trained already, now 4 are asked for")
    },
    TIMEOUT
  )

  test(
    "a plan.json that is no plan, as any plan is",
    async () => {
      expect(await refusal(plan((text) => text.replace('"rank": 4', '"rank": -4')))).toContain("adapter.rank:")
      expect(await refusal(plan((text) => text.slice(0, 40)))).toMatch(/plan\.json:\d+:\d+: not JSON/)
    },
    TIMEOUT
  )

  test(
    "data or a model that is gone",
    async () => {
      const data = await without("train.jsonl", () => refusal(() => {}))
      expect(data).toContain("train.jsonl: there is no such file")
      const model = await without("bert", () => refusal(() => {}))
      expect(model).toContain("bert")
    },
    TIMEOUT
  )

  test(
    "data or weights that are others",
    async () => {
      const rows = await without("train.jsonl", () => {
        w.write("train.jsonl", jsonLines(tinyRows(24).toReversed()))
        return refusal(() => {})
      })
      expect(rows).toMatch(/\n {4}data\.train: trained with SHA-256 [0-9a-f]{12}…, now SHA-256 [0-9a-f]{12}…\n/)
      const weights = await without("bert/model.safetensors", () => {
        const bytes = w.bytes("away")
        bytes[bytes.length - 1]! ^= 1
        writeFileSync(w.path("bert/model.safetensors"), bytes)
        return refusal(() => {})
      })
      expect(weights).toMatch(/\n {4}model\/model\.safetensors: trained with SHA-256/)
    },
    TIMEOUT
  )

  test(
    "what is no run folder, and a plan beside --resume",
    async () => {
      mkdirSync(w.path("empty"), { recursive: true })
      for (const directory of ["empty", "train.jsonl", "nowhere"]) {
        const { code, stderr } = await w.cli(["train", "--resume", directory, ...onWasm])
        expect(code).toBe(1)
        expect(stderr).toContain(`${directory} is no run folder: it has no plan.json`)
      }
      const { code, stderr } = await w.cli(["train", "refused.json", "--resume", cut])
      expect(code).toBe(1)
      expect(stderr).toContain("give neither a plan nor --out with it")
    },
    TIMEOUT
  )

  test(
    "and after all that it goes on",
    async () => {
      await succeed(w.cli(["train", "--resume", cut, ...onWasm]))
      expect(tensorsOf(cut)).toEqual(tensorsOf("runs/moments"))
    },
    TIMEOUT
  )
})

describe("damage", () => {
  test(
    "to the newest checkpoint: the one before is taken, which is said, and the run is the same",
    async () => {
      const cut = "damaged/moments"
      await trainHere("moments.json", { directory: cut, until: atStep(7) })
      truncateSync(w.path(`${cut}/checkpoints/step-00000007/state.safetensors`), 1000)
      const { exit, notices } = await trainHere("moments.json", { resume: cut })
      expect(exit._tag).toBe("Success")
      expect(notices.slice(0, 2)).toEqual([
        expect.stringMatching(
          /step-00000007 is damaged: state\.safetensors has another SHA-256 .*; the one before it is taken$/
        ),
        "goes on after step 6"
      ])
      rmSync(w.path(`${cut}/checkpoints/step-00000007.damaged`), { recursive: true })
      expect(resultsOf(w, cut)).toEqual(resultsOf(w, "runs/moments"))
    },
    TIMEOUT
  )

  test(
    "to every checkpoint: the run begins anew, which is said, and is the same",
    async () => {
      const cut = "ruined/moments"
      await trainHere("moments.json", { directory: cut, until: atStep(5) })
      for (const name of listing(w.path(`${cut}/checkpoints`)).filter((file) => file.endsWith("state.json"))) {
        writeFileSync(w.path(`${cut}/checkpoints/${name}`), "nonsense")
      }
      const { notices } = await trainHere("moments.json", { resume: cut })
      expect(notices.filter((notice) => notice.includes("is damaged"))).toHaveLength(3)
      expect(notices).toContain("no whole checkpoint: starts at the first step")
      for (const name of readdirSync(w.path(`${cut}/checkpoints`)).filter((name) => name.endsWith(".damaged"))) {
        rmSync(w.path(`${cut}/checkpoints/${name}`), { recursive: true })
      }
      expect(resultsOf(w, cut)).toEqual(resultsOf(w, "runs/moments"))
    },
    TIMEOUT
  )

  test(
    "to the metrics: what is missing is said, and the trained numbers are the same",
    async () => {
      const cut = "unmeasured/moments"
      await trainHere("moments.json", { directory: cut, until: atStep(4) })
      rmSync(w.path(`${cut}/metrics.jsonl`))
      const { notices } = await trainHere("moments.json", { resume: cut })
      expect(notices).toContain(`warning: ${w.path(cut)}/metrics.jsonl lacks 4 of the 4 steps before`)
      expect(tensorsOf(cut)).toEqual(tensorsOf("runs/moments"))
      // the untrained head is not what is evaluated now, so there is no "before"
      expect(w.json(`${cut}/run.json`)["before"]).toBeNull()
    },
    TIMEOUT
  )
})
