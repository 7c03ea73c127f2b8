/**
 * A resumed run is the same run: whatever was trained how, interrupted where, it ends with the same bytes as one that was never
 * interrupted; also where its newest checkpoint is damaged.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import type { ProgressEvent } from "../../src/run/index.ts"
import { jsonLines, listing, type Plan, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { busyPlan, metricsOf, resultsOf, tensorsOf } from "./runs.ts"
import { pairRows, scoredRows, taggedRows, topicRows } from "./text-kinds.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
beforeAll(() => {
  w.model("bert")
  w.write("pairs.jsonl", jsonLines(pairRows(24)))
  w.write("scored.jsonl", jsonLines(scoredRows(24)))
  w.write("topics.jsonl", jsonLines(topicRows(24)))
  w.write("tagged.jsonl", jsonLines(taggedRows(24)))
})

const STEPS = 10
const optimizer = (kind: string, more: object = {}) => ({ kind, learningRate: 1e-2, ...more })
const schedule = { kind: "cosine", warmup: 0.2 }

const kinds = { validation: 0.25, maxLength: 16, bucketPool: 2 }

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
  "vera under lion: its shared matrices stay as they were": busyPlan("bert", STEPS, {
    adapter: { method: "vera", rank: 5, projectionKey: 9 },
    optimizer: { kind: "lion", learningRate: 1e-2 }
  }),
  "adalora: ranks given up after steps 2, 4, 6 and 7": busyPlan("bert", STEPS, {
    adapter: { method: "adalora", rank: 2, alpha: 4, budget: { start: 0.1, end: 0.7, every: 2 } },
    optimizer: optimizer("adamw", { schedule })
  }),
  "full fine-tuning": busyPlan("bert", STEPS, { adapter: { method: "full" }, optimizer: optimizer("adamw") }),
  "the head alone": busyPlan("bert", STEPS, { adapter: { method: "none" }, optimizer: optimizer("adamw") }),
  "epochs, a validation share, no accumulation": busyPlan("bert", STEPS, {
    data: { ...tinyPlan("bert").data, validation: 0.25, bucketPool: 2 },
    training: { epochs: 2.2, batchSize: 4, evaluateEvery: 3 }
  }),
  "pairs that subtract their start": busyPlan("bert", STEPS, {
    adapter: { method: "lora", rank: 4, alpha: 8, init: { kind: "pissa", iterations: 2 } }
  }),
  "pairs that start from the gradient of the first batches": busyPlan("bert", STEPS, {
    adapter: { method: "lora", rank: 4, alpha: 8, init: { kind: "lora-ga", batches: 3 } }
  }),
  "factors that start from the inputs of the first batches": busyPlan("bert", STEPS, {
    adapter: { method: "lora", rank: 4, alpha: 8, init: { kind: "eva", batches: 2 } }
  }),
  "ranks shared out by importance, pairs one step along the gradient": busyPlan("bert", STEPS, {
    adapter: { method: "lora", rank: 4, alpha: 8, init: { kind: "gora", batches: 3, minRank: 1 } }
  }),
  "ranks that moved with the inputs' variance, none at some layers": busyPlan("bert", STEPS, {
    adapter: { method: "lora", rank: 1, alpha: 8, dropout: 0.1, init: { kind: "eva", batches: 2, rho: 4 } }
  }),
  "dropout, blocks computed again": busyPlan("bert", STEPS, {
    adapter: { method: "lora", rank: 4, alpha: 8, dropout: 0.2 },
    training: { steps: STEPS, batchSize: 4, accumulate: 2, evaluateEvery: 3, evaluateRows: 5, recompute: "blocks" }
  }),
  "dora with dropout": busyPlan("bert", STEPS, {
    adapter: { method: "dora", rank: 4, alpha: 8, dropout: 0.2 },
    optimizer: optimizer("adamw", { schedule })
  }),
  "pairs of texts": busyPlan("bert", STEPS, {
    data: { ...kinds, format: "classification", train: "pairs.jsonl", text: "premise", textPair: "hypothesis" }
  }),
  "labels of words, in windows": busyPlan("bert", STEPS, {
    model: { source: "bert", task: { kind: "token-classification" } },
    data: { ...kinds, format: "token-classification", train: "tagged.jsonl", maxLength: 6, stride: 2 }
  }),
  "numbers of texts": busyPlan("bert", STEPS, {
    model: { source: "bert", task: { kind: "regression" } },
    data: { ...kinds, format: "regression", train: "scored.jsonl", target: ["stars", "words"] }
  }),
  "several labels a text, with thresholds": busyPlan("bert", STEPS, {
    model: { source: "bert", task: { kind: "multi-label" } },
    data: { ...kinds, format: "multi-label", train: "topics.jsonl" }
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
        await complete(w, file, `runs/whole-${i}`)
        // three legs; a different place in the checkpoints, the evaluations and the epochs for every plan
        const [first, second] = [2 + (i % 3), 6 + (i % 3)]
        const cut = `runs/cut-${i}`
        await trainHere(w, file, { directory: cut, until: atStep(first) })
        const { notices } = await trainHere(w, file, { resume: cut, until: atStep(second) })
        expect(notices.filter((notice) => !notice.includes("blocks are frozen"))).toEqual([
          `resumes after step ${first}`,
          `step ${second} is saved; resume with: bun run train --resume ${w.path(cut)}`
        ])
        expect(metricsOf(w, cut).at(-1)).toMatchObject({ kind: "step", step: second })
        await complete(w, file, cut, { resume: cut })
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
    // with masks that a step, a batch and a site have of their own
    w.write("moments.json", busyPlan("bert", STEPS, { adapter: { method: "lora", rank: 4, alpha: 8, dropout: 0.2 } }))
    await complete(w, "moments.json", "runs/moments")
  }, TIMEOUT)

  Object.entries(moments).forEach(([name, until], i) => {
    test(
      name,
      async () => {
        // without a checkpoint the folder names the run
        const cut = `cut-${i}/moments`
        const { exit, notices } = await trainHere(w, "moments.json", { directory: cut, until })
        expect(exit._tag).toBe("Failure")
        expect(notices.at(-1)).toMatch(
          /^(step \d+ is saved|no step is saved yet); resume with: bun run train --resume /
        )
        expect(listing(w.path(cut))).not.toContain("lock")
        expect(listing(w.path(cut))).not.toContain("run.json")
        await complete(w, "moments.json", cut, { resume: cut })
        expect(resultsOf(w, cut)).toEqual(resultsOf(w, "runs/moments"))
      },
      TIMEOUT
    )
  })

  test(
    "again and again, after every single step, on one and on two threads",
    async () => {
      const cut = "often/moments"
      await trainHere(w, "moments.json", { directory: cut, until: atStep(1) })
      for (let step = 2; step <= STEPS; step++) {
        await trainHere(w, "moments.json", { resume: cut, until: atStep(step), threads: 1 + (step % 2) })
      }
      await complete(w, "moments.json", cut, { resume: cut })
      const [report, often] = [resultsOf(w, "runs/moments"), resultsOf(w, cut)]
      expect(often).toEqual(report)
    },
    TIMEOUT
  )
})

describe("damage", () => {
  test(
    "to the newest checkpoint: the one before is taken, which is said, and the run is the same",
    async () => {
      const cut = "damaged/moments"
      await trainHere(w, "moments.json", { directory: cut, until: atStep(7) })
      truncateSync(w.path(`${cut}/checkpoints/step-00000007/state.safetensors`), 1000)
      const { exit, notices } = await trainHere(w, "moments.json", { resume: cut })
      expect(exit._tag).toBe("Success")
      expect(notices.slice(0, 2)).toEqual([
        expect.stringMatching(
          /step-00000007 is damaged: state\.safetensors has a different SHA-256 .*; resuming from the one before it$/
        ),
        "resumes after step 6"
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
      await trainHere(w, "moments.json", { directory: cut, until: atStep(5) })
      for (const name of listing(w.path(`${cut}/checkpoints`)).filter((file) => file.endsWith("state.json"))) {
        writeFileSync(w.path(`${cut}/checkpoints/${name}`), "nonsense")
      }
      const { notices } = await trainHere(w, "moments.json", { resume: cut })
      expect(notices.filter((notice) => notice.includes("is damaged"))).toHaveLength(3)
      expect(notices).toContain("no complete checkpoint: starting at the first step")
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
      await trainHere(w, "moments.json", { directory: cut, until: atStep(4) })
      rmSync(w.path(`${cut}/metrics.jsonl`))
      const { notices } = await trainHere(w, "moments.json", { resume: cut })
      expect(notices).toContain(`warning: ${w.path(cut)}/metrics.jsonl lacks 4 of the 4 steps so far`)
      expect(tensorsOf(w, cut)).toEqual(tensorsOf(w, "runs/moments"))
      // the untrained head is not what is evaluated now, so there is no "before"
      expect(w.json(`${cut}/run.json`)["before"]).toBeNull()
    },
    TIMEOUT
  )
})
