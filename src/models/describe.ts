/**
 * From a model's source and a task to a `ModelDescription`: config and headers are read, weights are not. Everything that can be wrong with the
 * combination is reported here, so that loading has nothing left to refuse.
 */
import * as Effect from "effect/Effect"
import type { Sources } from "../hub/hub.ts"
import { type Checkpoint, openCheckpoint, storedName } from "./checkpoint.ts"
import type { Family } from "./encoder.ts"
import { families, familyOf } from "./families.ts"
import { classifierOf, type HeadInit, headClassOf, headLayers, type Pooling } from "./head.ts"
import { type Labels, labelsOf } from "./labels.ts"
import { type Exported, type HeadSpec, type ModelDescription, ModelError } from "./model.ts"

/** Options of a classifier. */
export interface TaskOptions {
  /** pooling before the head, or "tokens" for a head over each token; default of `Models.load`: "mean" */
  readonly pooling: Pooling
  /**
   * initialization of the classifier's weights: random with standard deviation 0.02 ("new"), 0, or the checkpoint's; default of `Models.load`:
   * "new"
   */
  readonly head: HeadInit
  /** class names in the order of the logits; default: the checkpoint's own `id2label` */
  readonly labels?: ReadonlyArray<string> | undefined
}

/** Options of a model that returns pooled hidden states. */
export interface EmbeddingOptions {
  /** pooling over the tokens of a text, or the first token's hidden state */
  readonly pooling: "mean" | "first"
  /** whether vectors are scaled to length 1 */
  readonly normalize: boolean
}

/** A description with the checkpoint's unused tensors. */
export interface DescribedModel extends ModelDescription {
  /** stored tensors that are not read: other heads, position ids, an unused pooler */
  readonly unusedTensors: ReadonlyArray<string>
}

/** Describes the model in a folder, or hf:owner/name, for a classification task, or to embed texts. */
export const describe = (
  source: string,
  options: TaskOptions | EmbeddingOptions
): Effect.Effect<DescribedModel, ModelError, Sources> =>
  Effect.gen(function* () {
    const checkpoint = yield* openCheckpoint(source, families)
    const { folder, family, encoder, prefix, find, stored, misfits } = checkpoint
    const { labels, problems, head } = outputsFor(checkpoint, options)
    const headProblems = misfits(head.parameters.filter(({ name }) => head.inCheckpoint.has(name)))
    if (problems.length + headProblems.length > 0) {
      return yield* new ModelError({ folder, problems: [...problems, ...headProblems] })
    }
    const {
      embed,
      blocks,
      finish,
      tables,
      embedding,
      head: encoderHead,
      labels: encoderLabels,
      parameters,
      ...sizes
    } = encoder
    const used = new Set([...parameters.map(({ name }) => name), ...head.inCheckpoint].map((name) => find(name)?.name))
    return {
      folder,
      family: family.name,
      ...sizes,
      parameters,
      head,
      labels,
      // a head of transformers' classification class makes it that class, whatever the file was saved from
      prefix: headClassOf(head) === undefined ? prefix : family.prefix,
      exported: exportedEncoder(family, head),
      unusedTensors: stored.filter((name) => !used.has(name))
    }
  })

/**
 * Returns the export of an encoder: the class with this head if there is one (pooling "pooler" or "tokens": `bert.encoder.…`, `classifier`),
 * else the bare encoder (`encoder.…`).
 */
export const exportedEncoder = (family: Family, head: HeadSpec): Exported => {
  const headClass = headClassOf(head)
  const isSeparate = headClass === undefined
  return {
    task: headClass?.task ?? "FEATURE_EXTRACTION",
    nameOf: (name) => storedName(family, isSeparate ? "" : family.prefix, name),
    otherPrefix: family.prefix,
    modulesToSave: head.modulesToSave,
    ownHead: isSeparate,
    inBase: head.inCheckpoint,
    tiedTo: () => [],
    fanInFanOut: false
  }
}

/** Returns a parameter's name in transformers' class, as in the keys of PEFT adapters. */
export const classParameterName = ({ family, prefix }: ModelDescription, name: string): string =>
  storedName(familyOf(family), prefix, name)

const outputsFor = (checkpoint: Checkpoint, options: TaskOptions | EmbeddingOptions) => {
  if ("normalize" in options) return { labels: [], problems: [], head: embeddingHead(options) }
  const { labels, problems } = labelsFor(checkpoint, options)
  return { labels, problems, head: headFor(checkpoint, options, labels.length) }
}

const embeddingHead = ({ pooling, normalize }: EmbeddingOptions): HeadSpec => ({
  pooling,
  output: normalize ? "normalized" : "pooled",
  parameters: [],
  inCheckpoint: new Set(),
  start: "normal",
  modulesToSave: []
})

const headFor = ({ family, encoder, find }: Checkpoint, { pooling, head }: TaskOptions, classes: number): HeadSpec => {
  const { before, classifier } = headLayers(encoder, pooling, classes)
  const names = (layer: typeof classifier) => layer.map(({ name }) => name)
  // a pooler that was pre-trained is used wherever there is one; a classifier, where it is asked for
  const pretrained = encoder.head.isPretrained && names(before).every((name) => find(name) !== undefined)
  const saved = headClassOf({ pooling }) !== undefined && head === "checkpoint" ? names([...before, ...classifier]) : []
  const own = [...before, ...classifier]
  return {
    pooling,
    output: "linear",
    parameters: own,
    inCheckpoint: new Set([...(pretrained ? names(before) : []), ...saved]),
    start: head === "zeros" ? "zeros" : "normal",
    modulesToSave: family.headModules.filter((module) => own.some(({ name }) => name.startsWith(`${module}.`)))
  }
}

/** The classes, and what is wrong with them. */
const labelsFor = ({ encoder, find }: Checkpoint, { labels, pooling, head }: TaskOptions): Labels => {
  const classes = find(`${classifierOf(encoder, pooling)}.weight`)?.shape[0]
  const resolved = labelsOf({
    planned: labels,
    stored: encoder.labels,
    classes: head === "checkpoint" ? classes : null
  })
  if (pooling !== "mean" || head !== "checkpoint") return resolved
  const problem = `a head over mean pooling is never in a checkpoint; use pooling "pooler" or head "new"`
  return { ...resolved, problems: [problem] }
}
