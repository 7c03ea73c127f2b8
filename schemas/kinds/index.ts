/** The kinds of plans: the one table. A new kind is a file here and a line of it. */
import { arraysPlans } from "./arrays.ts"
import { causalPlans } from "./causal.ts"
import { classificationPlans } from "./classification.ts"
import { embeddingPlans, similarityPlans } from "./embedding.ts"
import { imageArraysPlans, imagesPlans } from "./images.ts"
import { multiLabelPlans } from "./multi-label.ts"
import { rulesOf } from "./plan.ts"
import { preferencePlans } from "./preference.ts"
import { regressionPlans } from "./regression.ts"
import { seq2seqPlans } from "./seq2seq.ts"

/** The plans of every kind by `data.format`. */
export const planKinds = {
  ...classificationPlans.formats,
  ...embeddingPlans.formats,
  ...similarityPlans.formats,
  ...arraysPlans.formats,
  ...causalPlans.formats,
  ...preferencePlans.formats,
  ...seq2seqPlans.formats,
  ...regressionPlans.formats,
  ...multiLabelPlans.formats,
  ...imagesPlans.formats,
  ...imageArraysPlans.formats
}

/** Rules about plans of one kind. */
export const kindRules = [
  ...rulesOf(classificationPlans),
  ...rulesOf(embeddingPlans),
  ...rulesOf(similarityPlans),
  ...rulesOf(arraysPlans),
  ...rulesOf(causalPlans),
  ...rulesOf(preferencePlans),
  ...rulesOf(seq2seqPlans),
  ...rulesOf(regressionPlans),
  ...rulesOf(multiLabelPlans),
  ...rulesOf(imagesPlans),
  ...rulesOf(imageArraysPlans)
]

/** Formats whose runs take no dropout from an adapter that they begin with. */
export const formatsOfOwnDropout: ReadonlyArray<string> = [
  classificationPlans,
  embeddingPlans,
  similarityPlans,
  arraysPlans,
  causalPlans,
  preferencePlans,
  seq2seqPlans,
  regressionPlans,
  multiLabelPlans,
  imagesPlans,
  imageArraysPlans
].flatMap(({ formats, ownDropout }) => (ownDropout === true ? Object.keys(formats) : []))
