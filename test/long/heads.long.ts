/**
 * Every head and method through the whole program: train, save, load again. What `predict` says of the test rows must give the very
 * loss and confusion matrix that training recorded and that `evaluate` finds, whatever was trained and wherever it was stored.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import {
  jsonObjects,
  onWasm,
  predicted,
  succeed,
  TIMEOUT,
  type TinyModel,
  tensorsIn,
  tinyPlan,
  tinyRows,
  workspace
} from "../e2e/fixtures.ts"
import { relativeError } from "../setup.ts"

/** Batches pad texts to other lengths than `predict` does: sums of the same float32 numbers in another order. */
const OTHER_PADDING = 1e-5

const w = workspace()
beforeAll(() => {
  for (const name of ["bert", "minilm", "roberta", "distilbert"] as const) w.model(name)
})

const pooler = (headInit: "normal" | "zeros" | "checkpoint") => ({
  kind: "classification",
  pooling: "pooler",
  headInit
})
const adamw = { kind: "adamw", learningRate: 1e-3 }

interface Case {
  readonly name: string
  readonly model: TinyModel
  readonly task?: object
  readonly sections?: Record<string, unknown>
  readonly labels?: ReadonlyArray<string>
  /** the files of the adapter folder */
  readonly files: ReadonlyArray<string>
  /** names that the tensor file must have, and how many there are in all */
  readonly stored?: { readonly file: string; readonly count: number; readonly names: ReadonlyArray<string> }
}

const peft = ["adapter_config.json", "adapter_model.safetensors"]
const classifiers = {
  bert: ["bert.pooler.dense", "classifier"],
  roberta: ["classifier.dense", "classifier.out_proj"],
  distilbert: ["pre_classifier", "classifier"]
} as const

const poolerCases: ReadonlyArray<Case> = (["bert", "roberta", "distilbert"] as const).flatMap((model) =>
  (["normal", "checkpoint"] as const).map((headInit) => ({
    name: `${model}: pooler head, ${headInit} start`,
    model,
    task: pooler(headInit),
    // this checkpoint's classifier has four classes
    labels: model === "distilbert" ? ["bad", "fair", "good", "superb"] : ["bad", "fair", "good"],
    files: peft,
    stored: {
      file: "adapter_model.safetensors",
      count: 2 * 12 + 4,
      names: classifiers[model].map((module) => `base_model.model.${module}.weight`)
    }
  }))
)

const norm = "encoder.layer.1.output.LayerNorm"

const cases: ReadonlyArray<Case> = [
  ...poolerCases,
  {
    name: "a pooler head that starts at zero",
    model: "bert",
    task: pooler("zeros"),
    files: peft
  },
  {
    name: "mean head and a norm, saved beside the factors",
    model: "minilm",
    sections: { adapter: { method: "lora", rank: 2, modulesToSave: [norm] } },
    files: [...peft, "head.safetensors"],
    stored: { file: "adapter_model.safetensors", count: 26, names: [`base_model.model.${norm}.weight`] }
  },
  {
    name: "pooler head and a norm",
    model: "bert",
    task: pooler("normal"),
    sections: { adapter: { method: "lora", rank: 2, targets: ["value"], modulesToSave: [norm] } },
    files: peft,
    stored: { file: "adapter_model.safetensors", count: 4 + 4 + 2, names: [`base_model.model.bert.${norm}.bias`] }
  },
  {
    name: "other ranks and alphas for some targets",
    model: "bert",
    sections: {
      adapter: {
        method: "lora",
        rank: 4,
        alpha: 8,
        targets: ["query", "value"],
        overrides: [
          { targets: ["encoder.layer.0.**"], rank: 2 },
          { targets: ["value"], alpha: 32 }
        ]
      }
    },
    files: [...peft, "head.safetensors"]
  },
  {
    name: "full fine-tuning of every linear layer",
    model: "minilm",
    sections: { adapter: { method: "full" }, optimizer: adamw },
    files: ["head.safetensors", "trained.safetensors"],
    stored: { file: "trained.safetensors", count: 24, names: ["encoder.layer.0.attention.self.query.weight"] }
  },
  {
    name: "full fine-tuning of some layers under a pooler head",
    model: "bert",
    task: pooler("checkpoint"),
    sections: { adapter: { method: "full", targets: ["encoder.layer.1.**"] }, optimizer: adamw },
    files: ["trained.safetensors"],
    stored: { file: "trained.safetensors", count: 12 + 4, names: ["bert.encoder.layer.1.output.dense.bias"] }
  },
  {
    name: "the head alone",
    model: "minilm",
    sections: { adapter: { method: "none" }, optimizer: adamw },
    files: ["head.safetensors"],
    stored: { file: "head.safetensors", count: 2, names: ["weight", "bias"] }
  },
  {
    name: "the head and the norms",
    model: "distilbert",
    sections: {
      adapter: { method: "none", modulesToSave: ["output_layer_norm"] },
      optimizer: { ...adamw, kind: "sgd" }
    },
    files: ["head.safetensors", "trained.safetensors"],
    stored: { file: "trained.safetensors", count: 4, names: ["transformer.layer.0.output_layer_norm.weight"] }
  }
]

const planOf = ({ model, task, sections, labels }: Pick<Case, "model" | "task" | "sections" | "labels">) => {
  const plan = tinyPlan(model, { training: { steps: 3, batchSize: 4 }, ...sections })
  const data = labels === undefined ? plan.data : { ...plan.data, labels }
  return { ...plan, data, model: { source: model, ...(task === undefined ? {} : { task }) } }
}

cases.forEach(({ name, files, stored, ...options }, i) => {
  test(
    name,
    async () => {
      w.write(`plan-${i}.json`, planOf(options))
      const { stdout } = await succeed(w.cli(["train", `plan-${i}.json`, "--out", `run-${i}`, "--json", ...onWasm]))
      const report = JSON.parse(stdout)
      expect([...new Bun.Glob("*.{json,safetensors}").scanSync(w.path(`run-${i}/adapter`))].sort()).toEqual([...files])
      const evaluated = await succeed(w.cli(["evaluate", `run-${i}`, "--data", "test.jsonl", "--json", ...onWasm]))
      expect(jsonObjects(evaluated.stdout)).toEqual([{ ...report.test, data: "test.jsonl" }])

      const rows = tinyRows(9, 30)
      const predictions = await predicted(
        w,
        `run-${i}`,
        rows.map(({ text }) => text)
      )
      const own = predictions.map(({ logits }, j) => logits[rows[j]!.label]!)
      const losses = predictions.map(({ logits }, j) => {
        const sum = Object.values(logits).reduce((total, logit) => total + Math.exp(logit - own[j]!), 0)
        return Math.log(sum)
      })
      const loss = losses.reduce((sum, value) => sum + value / losses.length, 0)
      expect(relativeError([loss], [report.test.loss])).toBeLessThan(OTHER_PADDING)
      const right = predictions.filter(({ label }, j) => label === rows[j]!.label).length
      expect(right / rows.length).toBeCloseTo(report.test.accuracy, 12)

      if (stored === undefined) return
      const tensors = await tensorsIn(w, `run-${i}/adapter/${stored.file}`)
      expect(tensors.size).toBe(stored.count)
      expect(stored.names.filter((wanted) => !tensors.has(wanted))).toEqual([])
    },
    TIMEOUT
  )
})

describe("where a pooler head starts:", () => {
  /** So small a rate that float32 leaves the parameters of the head where they were. */
  const still = { kind: "adamw", learningRate: 1e-12 }
  const start = async (model: "bert" | "roberta" | "distilbert", headInit: "normal" | "checkpoint") => {
    const labels = model === "distilbert" ? ["bad", "fair", "good", "superb"] : ["bad", "fair", "good"]
    const sections = { optimizer: still, training: { steps: 1, batchSize: 2 } }
    w.write("start.json", planOf({ model, task: pooler(headInit), sections, labels }))
    const out = `start-${model}-${headInit}`
    await succeed(w.cli(["train", "start.json", "--out", out, ...onWasm]))
    const checkpoint = await tensorsIn(w, `${model}/model.safetensors`)
    const tensors = await tensorsIn(w, `${out}/adapter/adapter_model.safetensors`)
    return classifiers[model].map((module) =>
      relativeError(tensors.get(`base_model.model.${module}.weight`)!.data, checkpoint.get(`${module}.weight`)!.data)
    )
  }
  /** One step of 1e-12 is below half a unit in the last place of nearly all weights. */
  const SAME = 1e-6
  for (const model of ["bert", "roberta", "distilbert"] as const) {
    test(
      `${model}: from the checkpoint both layers; new ones differ, but for BERT's pooler, which was pre-trained`,
      async () => {
        for (const error of await start(model, "checkpoint")) expect(error).toBeLessThan(SAME)
        const [dense, classifier] = await start(model, "normal")
        if (model === "bert") expect(dense).toBeLessThan(SAME)
        else expect(dense).toBeGreaterThan(0.1)
        expect(classifier).toBeGreaterThan(0.1)
      },
      TIMEOUT
    )
  }
})
