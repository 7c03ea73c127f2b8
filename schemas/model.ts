/**
 * What the `model` sections of all kinds share. `source` is a Hugging Face folder (config.json, model.safetensors or its sharded index,
 * tokenizer.json), of causal models a .gguf file too, or the model.json of a tf.LayersModel; relative to the plan.
 */
import { choice, withDefault } from "./fields.ts"

/** What becomes of the layer that computes the outputs. */
export const head = choice(
  ["new", "zeros", "checkpoint"],
  'The layer that computes a score for each label: "new" has as many outputs as the data have labels, weights N(0, 0.02²) and bias 0; "zeros" the same, of zeros; "checkpoint" is the model\'s own (of encoders: with pooling "pooler"). Absent: the model\'s own where its classes are the data\'s labels, else new.'
)
export type Head = typeof head.Type

export const packedWeights = choice(
  ["f32", "f16", "int8", "q8", "q4"],
  'How the frozen weights of linear layers are held: "f32" as they are computed with; "f16" rounded to half precision, for half the memory; "int8" to 255 steps of each row\'s largest, for a quarter; "q8" and "q4" in blocks of 32 with 8 or 4 bits a number, as GGUF files have them (Q8_0, Q4_0 and Q4_1, which are held as they are), tables of tokens of causal models too. The adapter is trained over the rounded base.'
).pipe(withDefault("f32"))
