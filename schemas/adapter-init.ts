/**
 * `adapter.init`: how A and B are initialized, a union tagged by `kind`, and what is true of each.
 *
 *   kaiming     A uniform in ±1/√in, B = 0
 *   gaussian    A normal with deviation 1/r, B = 0
 *   orthogonal  A and B orthogonal to each other's part: neither is 0, and BA is
 *   pissa       from the leading singular directions of W (arXiv 2404.02948)
 *   lora-ga     from those of the loss's gradient over the first batches (arXiv 2407.05000)
 *   lora-one    one step along it: BA is the best part of rank r of the negative gradient (arXiv 2502.01235)
 *   gora        A random, BA a step along the gradient within it; ranks by how much a layer's weights matter (arXiv 2502.12171)
 *   eva         A from the leading directions of the site's inputs over the first batches, B = 0 (arXiv 2410.07170)
 *
 * pissa and lora-ga start with BA ≠ 0; their first BA is subtracted again, so that the adapted model starts as its base. That of lora-one
 * and gora stays: their models start one step away from the base.
 */
import * as Schema from "effect/Schema"
import { atLeast, choice, count, type Holds, integer, positive, withDefault } from "./fields.ts"

const Kaiming = Schema.Struct({ kind: Schema.Literal("kaiming") }).annotate({
  description: "A uniform in [−1/√in, 1/√in], B = 0."
})

const Gaussian = Schema.Struct({ kind: Schema.Literal("gaussian") }).annotate({
  description: "A normal with standard deviation 1/r, B = 0."
})

const Orthogonal = Schema.Struct({ kind: Schema.Literal("orthogonal") }).annotate({
  description: "A and B nonzero, built from orthogonal halves so that BA = 0. Requires an even rank."
})

const Pissa = Schema.Struct({
  kind: Schema.Literal("pissa"),
  iterations: Schema.optionalKey(
    count(1, "Power iterations of a randomized SVD. Default: an exact SVD, slower for wide layers.", "iterations")
  )
}).annotate({ description: "A and B from the leading singular directions of W (arXiv 2404.02948)." })

const batches = count(1, "Training batches for the initialization.", "batches").pipe(withDefault(8))

const LoraGa = Schema.Struct({
  kind: Schema.Literal("lora-ga"),
  batches,
  gamma: positive("γ of the stable scaling: A and B are initialized with scale out^¼/√γ.").pipe(withDefault(16)),
  direction: choice(
    ["ArB2r", "A2rBr", "ArBr"],
    "How to assign the first 2r singular directions: ArB2r: A the first r, B the next r; A2rBr: the reverse; ArBr: alternately."
  ).pipe(withDefault("ArB2r"))
}).annotate({
  description: "A and B from the leading singular directions of the gradient of the loss (arXiv 2407.05000)."
})

const LoraOne = Schema.Struct({
  kind: Schema.Literal("lora-one"),
  batches,
  gamma: positive("γ: the initial step is s/γ times the gradient divided by its largest singular value.").pipe(
    withDefault(128)
  )
}).annotate({
  description:
    "BA from the leading singular directions of the negative gradient of the loss: training starts one step along it (arXiv 2502.01235)."
})

const bound = (description: string) => Schema.optionalKey(integer(1, 1024, description))

const Gora = Schema.Struct({
  kind: Schema.Literal("gora"),
  batches,
  gamma: positive("γ: the initial step is about γ times the gradient.").pipe(withDefault(0.05)),
  minRank: bound("Minimum rank per layer. Default: half of its rank in the plan."),
  maxRank: bound("Maximum rank per layer. Default: four times its rank in the plan, at most its smaller dimension.")
}).annotate({
  description:
    "A random, B the negative gradient of the loss projected on the rows of A. Moves ranks to layers with the largest weights times gradients (arXiv 2502.12171)."
})

const Eva = Schema.Struct({
  kind: Schema.Literal("eva"),
  batches,
  rho: Schema.optionalKey(
    atLeast(
      1,
      "ρ: moves ranks to layers whose inputs they explain best, up to ρ times the rank in the plan. Default: 1, none moved."
    )
  )
}).annotate({
  description: "A from the leading directions of the layer's inputs, B = 0 (arXiv 2410.07170)."
})

/** Schema of initializations that need only random numbers. */
export const PlainInit = Schema.Union([Kaiming, Gaussian, Orthogonal]).annotate({
  description: "How A and B are initialized."
})
export type PlainInit = typeof PlainInit.Type

/** Schema of `adapter.init` of LoRA, by `kind`. */
export const LoraInit = Schema.Union([Kaiming, Gaussian, Orthogonal, Pissa, LoraGa, LoraOne, Gora, Eva]).annotate({
  description: "How A and B are initialized."
})
export type LoraInit = typeof LoraInit.Type

type ConfigOf<Kind extends LoraInit["kind"]> = Extract<LoraInit, { readonly kind: Kind }>

/** Properties of an initialization that hold for all of its options. */
export interface InitFacts<Config> {
  /** name in `validate`, reports and model cards */
  readonly label: string
  /** arXiv number; null without a paper */
  readonly paper: string | null
  /** computation on the first training batches and number of batches; null: the init needs no data */
  readonly calibration:
    | ((config: Config) => {
        /** the gradient of W, or the inputs of the layer */
        readonly what: "gradient" | "inputs"
        /** number of training batches, at least 1 */
        readonly batches: number
      })
    | null
  /** whether the initial BA is nonzero and is subtracted; exported adapters then contain it and have twice the rank */
  readonly subtracted: boolean
  /** whether the model starts as its base model; if not, a relative clause with the reason */
  readonly startsAsBase: Holds
}

const startsAsBase: Holds = { holds: true }

/** Properties of every initialization, by `adapter.init.kind`. `adapters/init/` has the same kinds with their equations. */
export const initFacts = {
  kaiming: { label: "Kaiming", paper: null, calibration: null, subtracted: false, startsAsBase },
  gaussian: { label: "Gaussian", paper: null, calibration: null, subtracted: false, startsAsBase },
  orthogonal: { label: "orthogonal", paper: null, calibration: null, subtracted: false, startsAsBase },
  pissa: { label: "PiSSA", paper: "2404.02948", calibration: null, subtracted: true, startsAsBase },
  "lora-ga": {
    label: "LoRA-GA",
    paper: "2407.05000",
    calibration: ({ batches }) => ({ what: "gradient", batches }),
    subtracted: true,
    startsAsBase
  },
  "lora-one": {
    label: "LoRA-One",
    paper: "2502.01235",
    calibration: ({ batches }) => ({ what: "gradient", batches }),
    subtracted: false,
    startsAsBase: { holds: false, because: "which starts one gradient step away from the base model" }
  },
  gora: {
    label: "GoRA",
    paper: "2502.12171",
    calibration: ({ batches }) => ({ what: "gradient", batches }),
    subtracted: false,
    startsAsBase: { holds: false, because: "which starts one gradient step away from the base model" }
  },
  eva: {
    label: "EVA",
    paper: "2410.07170",
    calibration: ({ batches }) => ({ what: "inputs", batches }),
    subtracted: false,
    startsAsBase
  }
} satisfies { readonly [Kind in LoraInit["kind"]]: InitFacts<ConfigOf<Kind>> }

/** Returns the properties of the initialization of a plan. */
export const factsOfInit = ({ kind }: LoraInit): InitFacts<LoraInit> => initFacts[kind] as InitFacts<LoraInit>
