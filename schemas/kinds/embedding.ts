/**
 * Texts that belong together, for an encoder whose pooled hidden states are compared: pairs and triplets, or pairs with a score.
 *
 *   "model": { "source": "../models/minilm", "task": { "kind": "embedding", "pooling": "mean", "normalize": true } }
 *   "data": { "format": "embedding", "train": "pairs.jsonl", "validation": 0.1, "anchor": "question", "positive": "answer" }
 *   "data": { "format": "similarity", "train": "sts.csv", "text": "sentence1", "textPair": "sentence2", "score": "score" }
 *   "loss": { "temperature": 0.05, "matryoshka": [384, 128, 64] }
 */
import * as Schema from "effect/Schema"
import { choice, count, listOf, positive, withDefault } from "../fields.ts"
import type { Rule } from "../problems.ts"
import { encoderSection, encoderSource, textLengths } from "./encoder.ts"
import { type AnyPlan, column, type PlanKind, planOf, somethingIsAdapted, splits } from "./plan.ts"

/** A text is a vector; there is no head to train. */
export const EmbeddingTask = Schema.Struct({
  kind: Schema.Literal("embedding").annotate({ description: "A vector per text." }),
  pooling: Schema.optionalKey(
    choice(
      ["mean", "cls"],
      "What of the last hidden states is the vector: their mean over the tokens, or the first token's. Absent: as sentence-transformers' files in the folder say (modules.json, 1_Pooling/config.json), or mean where there are none."
    )
  ),
  normalize: Schema.optionalKey(
    Schema.Boolean.annotate({
      expected: "true or false",
      description:
        "Whether vectors have length 1. The losses compare directions, whatever this says. Absent: as modules.json in the folder says, or true where there is none."
    })
  )
}).annotate({ title: "Embedding", description: "What the model is trained to do." })
export type EmbeddingTask = typeof EmbeddingTask.Type

export const EmbeddingModelSection = encoderSection(EmbeddingTask.pipe(withDefault({ kind: "embedding" })))

/** Schema of `data` with `format: "embedding"`: an anchor, a text that belongs to it, and perhaps one that does not. */
export const EmbeddingData = Schema.Struct({
  format: Schema.Literal("embedding").annotate({
    description: "Rows of a text and one that belongs to it, perhaps with one that does not."
  }),
  ...splits,
  anchor: column("Column that holds the text that is asked with: a question, a title, a term.").pipe(
    withDefault("anchor")
  ),
  positive: column(
    "Column that holds the text that belongs to it. Those of the other rows of its batch are what it is contrasted with, so a batch must not hold two that fit one anchor: rows that repeat each other are warned of."
  ).pipe(withDefault("positive")),
  negative: Schema.optionalKey(
    column(
      "Column that holds a text that does not belong to the anchor though it looks so: a negative for every anchor of the batch. Absent: rows are pairs."
    )
  ),
  ...textLengths
}).annotate({ title: "Embedding data", description: "Pairs or triplets of texts and how they become batches." })
export type EmbeddingData = typeof EmbeddingData.Type

/** Schema of `data` with `format: "similarity"`: two texts and how alike they are. */
export const SimilarityData = Schema.Struct({
  format: Schema.Literal("similarity").annotate({
    description: "Rows of two texts and a number that says how alike they are."
  }),
  ...splits,
  text: column("Column that holds the first text.").pipe(withDefault("text")),
  textPair: column("Column that holds the second text.").pipe(withDefault("textPair")),
  score: column(
    'Column that holds the number: larger is more alike. loss.kind "cosent" looks at its order alone; "cosine" wants it on the scale of a cosine, -1 to 1.'
  ).pipe(withDefault("score")),
  ...textLengths
}).annotate({ title: "Similarity data", description: "Scored pairs of texts and how they become batches." })
export type SimilarityData = typeof SimilarityData.Type

const matryoshka = Schema.optionalKey(
  listOf(
    1,
    count(1, "Coordinates of a vector.", "coordinates"),
    "a list of sizes, each once",
    "Sizes at which vectors should be of use when they are cut and made of length 1 again, the whole size among them where it is to be: the loss is the sum over these. Absent: the whole vector alone."
  ).check(Schema.isUnique({ expected: "a list of sizes, each once" }))
)

const temperature = (of: string) =>
  positive(`What ${of} divided by before the softmax; its inverse is sentence-transformers' scale.`).pipe(
    withDefault(0.05)
  )

/** InfoNCE, which sentence-transformers calls MultipleNegativesRankingLoss. */
export const ContrastLoss = Schema.Struct({
  temperature: temperature("cosines are"),
  matryoshka
}).annotate({
  title: "Contrast",
  description:
    "Cross-entropy of each anchor's positive against every other positive and negative of its batch, by cosines. training.batchSize says how many these are; training.accumulate adds rows to a step and none to this comparison."
})

/** Of scored pairs. */
export const SimilarityLoss = Schema.Struct({
  kind: choice(
    ["cosent", "cosine"],
    "cosent: of every two pairs of a batch, the one with the larger score should have the larger cosine (log-sum-exp of the differences that are wrong). cosine: the mean squared difference of cosine and score."
  ).pipe(withDefault("cosent")),
  temperature: temperature("differences of cosines are"),
  matryoshka
}).annotate({
  title: "Similarity loss",
  description:
    "How cosines are held against scores. cosent compares the pairs of one batch: training.batchSize says how many."
})

/** A Hugging Face encoder that is trained on pairs or triplets. */
export const EmbeddingPlan = planOf(
  EmbeddingModelSection,
  EmbeddingData,
  "EmbeddingPlan",
  "A training run over texts that belong together.",
  { loss: ContrastLoss.pipe(withDefault({})) }
)
export type EmbeddingPlan = typeof EmbeddingPlan.Type

/** The same, on scored pairs. */
export const SimilarityPlan = planOf(
  EmbeddingModelSection,
  SimilarityData,
  "SimilarityPlan",
  "A training run over pairs of texts with scores.",
  { loss: SimilarityLoss.pipe(withDefault({})) }
)
export type SimilarityPlan = typeof SimilarityPlan.Type

const rules: ReadonlyArray<Rule<AnyPlan>> = [encoderSource, somethingIsAdapted("an embedding model")]

export const embeddingPlans: PlanKind<"embedding", EmbeddingPlan, typeof EmbeddingPlan> = {
  formats: { embedding: EmbeddingPlan },
  rules
}

export const similarityPlans: PlanKind<"similarity", SimilarityPlan, typeof SimilarityPlan> = {
  formats: { similarity: SimilarityPlan },
  rules
}
