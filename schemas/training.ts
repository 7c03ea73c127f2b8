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
import { choice, count, listOf, nonNegative, positive, text, withDefault } from "./fields.ts"

/** The true gradient of some weights, beside what the method makes of it. */
export const DiagnosticsConfig = Schema.Struct({
  every: count(1, "Steps between two probes; the first is at step 1.", "steps").pipe(withDefault(10)),
  sites: Schema.Union([
    Schema.Literal("all"),
    listOf(1, SitePattern, "a list of one or more site patterns", "Adapted sites that are probed.")
  ])
    .annotate({
      expected: '"all" or a list of one or more site patterns',
      description: "Adapted sites that are probed."
    })
    .pipe(withDefault("all"))
}).annotate({
  title: "Diagnostics",
  description:
    "At intervals of `every` steps the true gradient of W is formed at some sites, and metrics.jsonl has how near the method comes to it."
})
export type DiagnosticsConfig = typeof DiagnosticsConfig.Type

/** Schema of `training.stopEarly`. */
export const StopEarly = Schema.Struct({
  metric: Schema.optionalKey(
    text(
      "the name of a metric",
      "What is watched, such as accuracy or macroF1; also what output.keep chooses the best state by. Absent: what the kind of run is judged by, such as accuracy of a classifier."
    )
  ),
  patience: count(1, "Evaluations in a row without a gain, after which training stops.", "evaluations").pipe(
    withDefault(3)
  ),
  leastGain: nonNegative(
    "An evaluation is a gain where it is better by more than this than the last gain, in the metric's own unit: of an accuracy 0.01 is one point."
  ).pipe(withDefault(0))
}).annotate({
  title: "StopEarly",
  description:
    "Stops before the last step where validation has stopped getting better. Schedules still count all planned steps."
})
export type StopEarly = typeof StopEarly.Type

/** Schema of a plan's `training` section. */
export const TrainingSection = Schema.Struct({
  steps: Schema.optionalKey(
    count(1, "Updates of the parameters. Either this or epochs.", "steps").annotate({ examples: [100] })
  ),
  epochs: Schema.optionalKey(
    positive("Passes over the training rows, also in fractions. Either this or steps.", "epochs")
  ),
  batchSize: count(1, "Rows per forward pass.", "rows").pipe(withDefault(8)),
  accumulate: count(1, "Batches whose gradients are averaged into one step.", "batches").pipe(withDefault(1)),
  evaluateEvery: Schema.optionalKey(
    Schema.Union([Schema.Literal("never"), count(1, "Steps.", "steps")]).annotate({
      expected: '"never" or an integer of at least 1',
      description:
        'Steps between evaluations on the way; "never": before training and at the end only. Absent: five a run, the last step\'s among them, where there is a validation split.'
    })
  ),
  evaluateRows: Schema.optionalKey(
    Schema.Union([Schema.Literal("all"), count(1, "Rows.", "rows")]).annotate({
      expected: '"all" or an integer of at least 1',
      description:
        "First rows of a split that are evaluated before training and on the way. Absent: 1,000 before training, 256 on the way. At the end the same rows, and all."
    })
  ),
  stopEarly: Schema.optionalKey(StopEarly),
  evaluateBatchSize: count(1, "Rows per forward pass of an evaluation, at most.", "rows").pipe(withDefault(64)),
  recompute: choice(
    ["none", "blocks"],
    'Activations for the backward pass: "none" keeps them; "blocks" keeps one hidden state a transformer block and computes the rest again, for less memory and one more forward pass. Results do not depend on it.'
  ).pipe(withDefault("none")),
  diagnostics: Schema.optionalKey(DiagnosticsConfig),
  threads: Schema.Union([Schema.Literal("auto"), count(1, "Threads.", "threads")])
    .annotate({
      expected: '"auto" or an integer of at least 1',
      description: 'Threads of native and wasm; "auto": one per core. Results do not depend on it.'
    })
    .pipe(withDefault("auto")),
  deterministic: Schema.Boolean.annotate({
    expected: "true or false",
    description:
      "true: the same adapter, bit for bit, from the same plan, on wasm in every engine and on every machine, on native on every processor of the same instructions. false lets wasm fuse multiply-adds where the engine can: faster in some, with other last bits."
  }).pipe(withDefault(true))
}).annotate({
  title: "Training",
  expected: 'an object with "steps" or "epochs"',
  description: "How long, in which portions, and when to evaluate."
})
export type TrainingSection = typeof TrainingSection.Type

/** Schema of a plan's `output` section. */
export const OutputSection = Schema.Struct({
  directory: Schema.optionalKey(
    text(
      "a path to a new folder",
      "Run folder, relative to the working directory. Absent: a fresh runs/<plan name>-<n>."
    )
  ),
  checkpointEvery: count(1, "Steps between checkpoints, from which an interrupted run can be resumed.", "steps").pipe(
    withDefault(50)
  ),
  keep: choice(
    ["auto", "best", "last"],
    "What the adapter is. auto: the state of the best evaluated step if the rows of the evaluations on the way can tell that it is better than that of the last step, else the last; best: the best of these states; last: the last. Without a validation split the last."
  ).pipe(withDefault("auto")),
  keepCheckpoints: Schema.optionalKey(
    count(
      1,
      "Newest checkpoints that are kept, in a finished run too; the one with the best evaluation is kept besides. Absent: two while it trains, none when it is finished.",
      "checkpoints"
    )
  ),
  tensorboard: Schema.optionalKey(
    Schema.Boolean.annotate({
      expected: "true or false",
      description:
        "Whether the metrics are written for TensorBoard too, as event files in the run folder: tensorboard --logdir runs. Absent: no."
    })
  )
}).annotate({ title: "Output", description: "Where the run folder is, and how often the run is saved." })
export type OutputSection = typeof OutputSection.Type
