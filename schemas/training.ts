/**
 * The `training` section: how long, in which portions, and when to evaluate. The `output` section: where the run folder is, and how
 * often the run is saved.
 *
 *   { "steps": 80, "batchSize": 8, "accumulate": 1, "evaluateEvery": 40 }
 *   { "directory": "runs/movies", "checkpointEvery": 20, "keep": "auto" }
 *
 * Exactly one of `steps` and `epochs` (a rule in run-plan.ts). A step is one update of the parameters: `batchSize × accumulate` rows.
 *
 * The run folder is relative to the working directory, unlike inputs: what a plan reads belongs to the plan, what it writes to the person
 * who runs it.
 */
import * as Schema from "effect/Schema"
import { SitePattern } from "./adapter.ts"
import { choice, count, listOf, nonNegative, positive, setting, text, withDefault } from "./fields.ts"
import { accumulatedBatches, recomputeChoice } from "./settings.ts"

/** Schema of `training.diagnostics`: how close the method's updates come to the true gradient of W. */
export const DiagnosticsConfig = Schema.Struct({
  every: count(1, "Steps between measurements; the first is at step 1.", "steps").pipe(withDefault(10)),
  sites: Schema.Union([
    Schema.Literal("all"),
    listOf(1, SitePattern, "a list of one or more layer patterns", "Adapted layers to measure.")
  ])
    .annotate({
      expected: '"all" or a list of one or more layer patterns',
      description: "Adapted layers to measure."
    })
    .pipe(withDefault("all"))
}).annotate({
  title: "Diagnostics",
  description:
    "Computes the true gradient of W every `every` steps and writes to metrics.jsonl how closely the method follows it."
})
export type DiagnosticsConfig = typeof DiagnosticsConfig.Type

/** Schema of `training.stopEarly`. */
export const StopEarly = Schema.Struct({
  metric: Schema.optionalKey(
    text(
      "the name of a metric",
      "The metric to monitor, such as accuracy or macroF1; output.keep uses it too. Default: the main metric of the task, such as accuracy for a classifier."
    )
  ),
  patience: count(1, "Evaluations without improvement after which training stops.", "evaluations").pipe(withDefault(3)),
  leastGain: nonNegative(
    "The smallest change that counts as an improvement, in the unit of the metric: 0.01 of an accuracy is one point."
  ).pipe(withDefault(0))
}).annotate({
  title: "StopEarly",
  description:
    "Stops training when validation no longer improves. Learning-rate schedules still span all planned steps."
})
export type StopEarly = typeof StopEarly.Type

/** Schema of a plan's `training` section. */
export const TrainingSection = Schema.Struct({
  steps: Schema.optionalKey(
    count(1, "Optimizer steps. Set either this or epochs.", "steps").annotate({ examples: [100] })
  ),
  epochs: Schema.optionalKey(
    positive("Passes over the training rows; fractions are allowed. Set either this or steps.", "epochs")
  ),
  batchSize: count(1, "Rows per forward pass.", "rows").pipe(withDefault(8)),
  accumulate: setting(accumulatedBatches, "Batches per optimizer step; their gradients are averaged.", "batches"),
  evaluateEvery: Schema.optionalKey(
    Schema.Union([Schema.Literal("never"), count(1, "Steps.", "steps")]).annotate({
      expected: '"never" or an integer of at least 1',
      description:
        'Steps between evaluations during training; "never": only before and after training. Default: five evaluations per run, the last one after the last step, if there is a validation split.'
    })
  ),
  evaluateRows: Schema.optionalKey(
    Schema.Union([Schema.Literal("all"), count(1, "Rows.", "rows")]).annotate({
      expected: '"all" or an integer of at least 1',
      description:
        "How many rows of a split to evaluate before and during training, from its beginning. Default: 1,000 before, 256 during. After training, all rows are evaluated as well."
    })
  ),
  stopEarly: Schema.optionalKey(StopEarly),
  evaluateBatchSize: count(1, "Maximum rows per forward pass in evaluations.", "rows").pipe(withDefault(64)),
  recompute: choice(
    recomputeChoice.of.words,
    'Gradient checkpointing. "none": keep all activations; "blocks": keep one hidden state per transformer block and recompute the rest, which saves memory and costs one more forward pass. Does not change results.'
  ).pipe(withDefault(recomputeChoice.default)),
  diagnostics: Schema.optionalKey(DiagnosticsConfig),
  threads: Schema.Union([Schema.Literal("auto"), count(1, "Threads.", "threads")])
    .annotate({
      expected: '"auto" or an integer of at least 1',
      description: 'Threads of the native and wasm devices; "auto": one per core. Does not change results.'
    })
    .pipe(withDefault("auto")),
  precision: choice(
    ["float32", "bfloat16"],
    'Precision of products with frozen weights. "bfloat16" rounds inputs and weights and sums in float32, as PyTorch\'s bf16 models do: faster, losses differ by about 1e-3; on native with AMX, AVX512-BF16 or arm64 BF16 instructions.'
  ).pipe(withDefault("float32")),
  deterministic: Schema.Boolean.annotate({
    expected: "true or false",
    description:
      "true: the same plan gives the same adapter, bit for bit: on wasm in every engine and on every machine, on native on every processor with the same instruction set. false: wasm may fuse multiply-adds, which is faster in some engines and changes the last bits."
  }).pipe(withDefault(true))
}).annotate({
  title: "Training",
  expected: 'an object with "steps" or "epochs"',
  description: "How long to train, in which batches, and when to evaluate."
})
export type TrainingSection = typeof TrainingSection.Type

/** Schema of a plan's `output` section. */
export const OutputSection = Schema.Struct({
  directory: Schema.optionalKey(
    text(
      "a path to a new folder",
      "Run folder, relative to the working directory. Default: a new runs/<plan name>-<n>."
    )
  ),
  checkpointEvery: count(1, "Steps between checkpoints. An interrupted run resumes from the newest.", "steps").pipe(
    withDefault(50)
  ),
  keep: choice(
    ["auto", "best", "last"],
    "Which step to save as the adapter. auto: the best evaluated step if the evaluated rows show that it beats the last step, otherwise the last; best: the best evaluated step; last: the last. Always the last without a validation split."
  ).pipe(withDefault("auto")),
  keepCheckpoints: Schema.optionalKey(
    count(
      1,
      "How many of the newest checkpoints to keep, also after the run has finished; the one with the best evaluation is kept in addition. Default: two during training, none after it.",
      "checkpoints"
    )
  ),
  tensorboard: Schema.optionalKey(
    Schema.Boolean.annotate({
      expected: "true or false",
      description:
        "Whether to write the metrics as TensorBoard event files in the run folder as well (tensorboard --logdir runs). Default: false."
    })
  )
}).annotate({ title: "Output", description: "Where to write the run, how often to save it, and what to keep." })
export type OutputSection = typeof OutputSection.Type
