/**
 * The `model` section: which base is adapted, and for which task.
 *
 *   { "source": "../models/minilm", "task": { "kind": "classification", "pooling": "mean", "headInit": "normal" }, "weights": "f32" }
 *
 *   { "source": "../models/digits/model.json", "head": ["scores"] }
 *
 *   { "source": "../models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" }
 *
 * `source` is a Hugging Face folder (config.json, model.safetensors or its sharded index, tokenizer.json), of causal models a .gguf file
 * too, or the model.json of a tf.LayersModel; relative to the plan.
 */
import * as Schema from "effect/Schema"
import { choice, list, text, withDefault } from "./fields.ts"

/** One label per text: a pooled hidden state and a linear head. */
export const ClassificationTask = Schema.Struct({
  kind: Schema.Literal("classification").annotate({ description: "One label per text." }),
  pooling: choice(
    ["mean", "pooler"],
    "What the head sees: the mean of the last hidden states over the tokens, or the checkpoint's pooler (dense + tanh on the first token)."
  ).pipe(withDefault("mean")),
  headInit: choice(
    ["normal", "zeros", "checkpoint"],
    'How the head starts: weights N(0, 0.02²) and bias 0, all zeros, or the checkpoint\'s own classifier (needs pooling "pooler").'
  ).pipe(withDefault("normal"))
}).annotate({ title: "Classification", description: "What the model is trained to do." })
export type ClassificationTask = typeof ClassificationTask.Type

const weights = choice(
  ["f32", "f16", "int8", "q8", "q4"],
  'How the frozen weights of linear layers are held: "f32" as they are computed with; "f16" rounded to half precision, for half the memory; "int8" to 255 steps of each row\'s largest, for a quarter; "q8" and "q4" in blocks of 32 with 8 or 4 bits a number, as GGUF files have them (Q8_0, Q4_0 and Q4_1, which are held as they are), tables of tokens of causal models too. The adapter is trained over the rounded base.'
).pipe(withDefault("f32"))

export const ModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder",
    "Folder of the base model (config.json, model.safetensors, tokenizer.json), relative to the plan file."
  ),
  task: ClassificationTask.pipe(withDefault({ kind: "classification" })),
  weights
}).annotate({ title: "Model", description: "Which base is adapted, and for which task." })
export type ModelSection = typeof ModelSection.Type

/** A `tf.LayersModel` that classifies. */
export const LayersModelSection = Schema.Struct({
  source: text(
    "a path to the model.json of a tf.LayersModel",
    "model.json of a tf.LayersModel, beside its weight files; relative to the plan file."
  ),
  head: list(
    text("a layer's path", "A layer's name, or nested.name in a model inside the model."),
    "a list of layer paths",
    "Layers that are trained themselves, with the head's learning rate."
  ).pipe(withDefault([]))
}).annotate({ title: "LayersModel", description: "Which tf.LayersModel is adapted." })
export type LayersModelSection = typeof LayersModelSection.Type

/** A causal language model. */
export const CausalModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder or a .gguf file, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, tokenizer.json) or a .gguf file, relative to the plan file; or hf:owner/name[@revision][/file.gguf], which is fetched once."
  ),
  weights
}).annotate({ title: "CausalModel", description: "Which causal language model is adapted." })
export type CausalModelSection = typeof CausalModelSection.Type
