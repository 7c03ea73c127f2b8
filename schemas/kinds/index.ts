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
import { tokenClassificationPlans } from "./token-classification.ts"

const all = [
  classificationPlans,
  embeddingPlans,
  similarityPlans,
  arraysPlans,
  causalPlans,
  preferencePlans,
  seq2seqPlans,
  regressionPlans,
  multiLabelPlans,
  tokenClassificationPlans,
  imagesPlans,
  imageArraysPlans
] as const

type Both<Union> = (Union extends unknown ? (one: Union) => void : never) extends (both: infer All) => void
  ? All
  : never

/** Plan schemas by `data.format`. */
export const planKinds = Object.assign({}, ...all.map(({ formats }) => formats)) as Both<
  (typeof all)[number]["formats"]
>

/** Rules for plans of one kind. */
export const kindRules = all.flatMap(rulesOf)

/** Formats whose runs ignore the dropout of the adapter in `adapter.from`. */
export const formatsOfOwnDropout: ReadonlyArray<string> = all.flatMap(({ formats, ownDropout }) =>
  ownDropout === true ? Object.keys(formats) : []
)
