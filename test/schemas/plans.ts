/** Plans that the tests of the language start from. */
import type { RunPlanInput } from "../../schemas/index.ts"

/** Only what has no default. */
export const smallest: RunPlanInput = {
  model: { source: "minilm" },
  data: { format: "classification", train: "train.jsonl" },
  optimizer: { kind: "lora-pro", learningRate: 1e-4 },
  training: { steps: 80 }
}

/** Every section written out. */
export const complete: RunPlanInput = {
  $schema: "../../schemas/run-plan.schema.json",
  seed: 1,
  model: {
    source: "../models/minilm",
    task: { kind: "classification", pooling: "mean" },
    head: "zeros",
    weights: "f32"
  },
  data: {
    format: "classification",
    train: "../data/train.jsonl",
    validation: 0.1,
    test: "../data/test.csv",
    text: "sentence",
    label: "sentiment",
    labels: ["negative", "positive"],
    maxLength: 32,
    bucketPool: 4
  },
  adapter: {
    method: "lora",
    rank: 4,
    alpha: 8,
    scaling: "rank-stabilized",
    init: { kind: "gaussian" },
    targets: ["encoder.layer.*.attention.**", "query"],
    exclude: ["encoder.layer.*.attention.output.dense"],
    overrides: [{ targets: ["encoder.layer.0.**"], rank: 2 }],
    dropout: 0,
    modulesToSave: ["embeddings.LayerNorm"]
  },
  optimizer: {
    kind: "lora-pro",
    learningRate: 1e-4,
    headLearningRate: 5e-3,
    weightDecay: 0.01,
    clipNorm: 1,
    schedule: { kind: "linear", warmup: 0.1 },
    form: "efficient",
    x: "symmetric",
    damping: 0,
    betas: [0.8, 0.99],
    epsilon: 1e-6
  },
  training: {
    steps: 80,
    batchSize: 4,
    accumulate: 2,
    evaluateEvery: 40,
    evaluateRows: 400,
    evaluateBatchSize: 32,
    recompute: "blocks",
    threads: 2,
    precision: "bfloat16",
    deterministic: false
  },
  output: { directory: "runs/movies", checkpointEvery: 20, keep: "last", keepCheckpoints: 3 }
}
