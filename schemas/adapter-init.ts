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
    count(
      1,
      "Power iterations of a randomised decomposition. Absent: an exact one, slower for wide layers.",
      "iterations"
    )
  )
}).annotate({ description: "A and B from the leading singular directions of W." })

const batches = count(1, "Training batches that are looked at first.", "batches").pipe(withDefault(8))

const LoraGa = Schema.Struct({
  kind: Schema.Literal("lora-ga"),
  batches,
  gamma: positive("γ of the stable scaling: A and B start at the scale out^¼/√γ.").pipe(withDefault(16)),
  direction: choice(
    ["ArB2r", "A2rBr", "ArBr"],
    "Which of the first 2r singular directions go where: A the first r and B the next r, the other way round, or by turns."
  ).pipe(withDefault("ArB2r"))
}).annotate({ description: "A and B from the leading singular directions of the loss's gradient." })

const LoraOne = Schema.Struct({
  kind: Schema.Literal("lora-one"),
  batches,
  gamma: positive(
    "γ: the step that the model starts with is s/γ of the gradient over its largest singular value."
  ).pipe(withDefault(128))
}).annotate({
  description:
    "BA from the leading singular directions of the loss's negative gradient: training starts after one step along it."
})

const bound = (description: string) => Schema.optionalKey(integer(1, 1024, description))

const Gora = Schema.Struct({
  kind: Schema.Literal("gora"),
  batches,
  gamma: positive("γ: the step that the model starts with is about γ times the gradient.").pipe(withDefault(0.05)),
  minRank: bound("No layer gets fewer ranks. Absent: half of its rank by the plan."),
  maxRank: bound("No layer gets more ranks. Absent: four times its rank by the plan; its smaller side at most.")
}).annotate({
  description:
    "A random, B what the loss's negative gradient is in A's rows; ranks move to the layers whose weights times gradients are largest."
})

const Eva = Schema.Struct({
  kind: Schema.Literal("eva"),
  batches,
  rho: Schema.optionalKey(
    atLeast(
      1,
      "ρ: ranks move to the layers whose inputs they explain best; none gets more than ρ times its rank by the plan. Absent: 1, none moves."
    )
  )
}).annotate({
  description: "A from the leading directions of the site's inputs, B = 0."
})

/** Starts that need nothing but random numbers. */
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

/** What is true of an init, whatever its options. */
export interface InitFacts<Config> {
  /** for people: in `validate`, reports and cards */
  readonly label: string
  /** its arXiv number; null where it has no paper of its own */
  readonly paper: string | null
  /** what it computes from the first training batches, and from how many; null where it needs no data */
  readonly calibration:
    | ((config: Config) => {
        /** the gradient of W, or the inputs of the layer */
        readonly what: "gradient" | "inputs"
        /** how many of the first training batches it sees; at least 1 */
        readonly batches: number
      })
    | null
  /** whether the first BA is not 0 and is subtracted: an exported adapter then holds it too, and has twice the rank */
  readonly subtracted: boolean
  /** Does the model start as its base? If not, a relative clause that says how else. */
  readonly startsAsBase: Holds
}

const startsAsBase: Holds = { holds: true }

/** An init without facts does not compile. `adapters/init/` has the same kinds with their equations. */
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
    startsAsBase: { holds: false, because: "whose model starts one step along the gradient from its base" }
  },
  gora: {
    label: "GoRA",
    paper: "2502.12171",
    calibration: ({ batches }) => ({ what: "gradient", batches }),
    subtracted: false,
    startsAsBase: { holds: false, because: "whose model starts a step along the gradient from its base" }
  },
  eva: {
    label: "EVA",
    paper: "2410.07170",
    calibration: ({ batches }) => ({ what: "inputs", batches }),
    subtracted: false,
    startsAsBase
  }
} satisfies { readonly [Kind in LoraInit["kind"]]: InitFacts<ConfigOf<Kind>> }

/** The facts of the init that a plan names. */
export const factsOfInit = ({ kind }: LoraInit): InitFacts<LoraInit> => initFacts[kind] as InitFacts<LoraInit>
