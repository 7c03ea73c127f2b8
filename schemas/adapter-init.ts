/**
 * `adapter.init`: where A and B start, a union tagged by `kind`.
 *
 *   kaiming     A uniform in ±1/√in, B = 0
 *   gaussian    A normal with deviation 1/r, B = 0
 *   orthogonal  A and B orthogonal to each other's part: neither is 0, and BA is
 *   pissa       from the leading singular directions of W (arXiv 2404.02948)
 *   lora-ga     from those of the loss's gradient over the first batches (arXiv 2407.05000)
 *   eva         A from the leading directions of the site's inputs over the first batches, B = 0 (arXiv 2410.07170)
 *
 * pissa and lora-ga start with BA ≠ 0; what they start with is subtracted again, so that every adapted model starts as its base.
 */
import * as Schema from "effect/Schema"
import { choice, count, positive, withDefault } from "./fields.ts"

const Kaiming = Schema.Struct({ kind: Schema.Literal("kaiming") }).annotate({
  description: "A uniform in ±1/√in, B = 0."
})

const Gaussian = Schema.Struct({ kind: Schema.Literal("gaussian") }).annotate({
  description: "A normal with deviation 1/r, B = 0."
})

const Orthogonal = Schema.Struct({ kind: Schema.Literal("orthogonal") }).annotate({
  description: "A and B both not 0, from orthogonal halves, so that BA is 0. Needs an even rank."
})

const Pissa = Schema.Struct({
  kind: Schema.Literal("pissa"),
  iterations: Schema.optionalKey(
    count(1, "Power iterations of a randomised decomposition. Absent: an exact one, slower for wide layers.")
  )
}).annotate({ description: "A and B from the leading singular directions of W." })

const batches = count(1, "Training batches that are looked at first.").pipe(withDefault(8))

const LoraGa = Schema.Struct({
  kind: Schema.Literal("lora-ga"),
  batches,
  gamma: positive("γ of the stable scaling: A and B start at the scale out^¼/√γ.").pipe(withDefault(16)),
  direction: choice(
    ["ArB2r", "A2rBr", "ArBr"],
    "Which of the first 2r singular directions go where: A the first r and B the next r, the other way round, or by turns."
  ).pipe(withDefault("ArB2r"))
}).annotate({ description: "A and B from the leading singular directions of the loss's gradient." })

const Eva = Schema.Struct({ kind: Schema.Literal("eva"), batches }).annotate({
  description: "A from the leading directions of the site's inputs, B = 0."
})

/** Starts that need nothing but random numbers. */
export const PlainInit = Schema.Union([Kaiming, Gaussian, Orthogonal]).annotate({ description: "How A and B start." })
export type PlainInit = typeof PlainInit.Type

export const LoraInit = Schema.Union([Kaiming, Gaussian, Orthogonal, Pissa, LoraGa, Eva]).annotate({
  description: "How A and B start."
})
export type LoraInit = typeof LoraInit.Type
