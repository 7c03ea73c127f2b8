/**
 * What the `model` sections of all kinds share. `source` is a Hugging Face folder (config.json, model.safetensors or its sharded index,
 * tokenizer.json), of causal models a .gguf file too, or the model.json of a tf.LayersModel; relative to the plan.
 */
import { choice, withDefault } from "./fields.ts"

/** Schema of `model.head`: how the output layer is initialized. Optional. */
export const head = choice(
  ["new", "zeros", "checkpoint"],
  'The layer that computes a score for each label. "new": one output per label, weights drawn from N(0, 0.02²), bias 0; "zeros": the same, initialized to 0; "checkpoint": the base model\'s head (encoders need pooling "pooler"). Default: the base model\'s head if its classes are the labels of the data, otherwise a new one.'
)
export type Head = typeof head.Type

export const packedWeights = choice(
  ["file", "f32", "f16", "int8", "q8", "q4"],
  'Precision of the frozen linear weights in memory. "file": that of their file, which device native reads in place (mapped, not copied); the results are those of "f32", which other devices load. "f32": full precision; "f16": half precision, half the memory; "int8": 255 steps per row, a quarter of the memory; "q8" and "q4": blocks of 32 values with 8 or 4 bits each, as in GGUF files (Q8_0, Q4_0 and Q4_1 are loaded without conversion), including the token embeddings of causal models. The adapter is trained on top of the rounded weights.'
).pipe(withDefault("file"))
