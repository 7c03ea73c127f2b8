/**
 * The `adapter` section: what is trained beside the head, a union tagged by `method`.
 *
 *   lora   W + s·BA with W frozen       { "method": "lora", "rank": 8, "alpha": 16, "targets": ["encoder.layer.*.attention.**"] }
 *   full   the targets' own W and bias  { "method": "full" }
 *   none   the head alone               { "method": "none" }
 */
import * as Schema from "effect/Schema"
import { choice, integer, list, listOf, positive, text, withDefault } from "./fields.ts"

/** A dotted glob over site names: `*` one segment, `**` any number, a plain name any site that ends in it (`query`). */
export const SitePattern = text(
  'a site pattern such as "encoder.layer.*.attention.**" or "query"',
  "A dotted glob over site names: * is one segment, ** any number; a name without a dot is any site that ends in it."
)
export type SitePattern = typeof SitePattern.Type

const patterns = (description: string) => listOf(1, SitePattern, "a list of one or more site patterns", description)

const targets = Schema.Union([Schema.Literal("all-linear"), patterns("Sites that match any of these patterns.")])
  .annotate({
    expected: '"all-linear" or a list of one or more site patterns',
    description:
      '"all-linear" (every linear layer of the blocks; not the pooler, classifier or head), or patterns over site names.'
  })
  .pipe(withDefault("all-linear"))

const modulesToSave = list(
  SitePattern,
  "a list of site patterns",
  "Further modules that are trained themselves and saved beside the adapter."
).pipe(withDefault([]))

const rank = integer(1, 1024, "r, the rank of BA.")
const alpha = positive("α; the scale of BA is α/r (standard) or α/√r (rank-stabilized).")

/** Another rank or alpha for some of the targets. Later entries win. */
export const LoraOverride = Schema.Struct({
  targets: patterns("Sites that this entry is about."),
  rank: Schema.optionalKey(rank),
  alpha: Schema.optionalKey(alpha)
}).annotate({ title: "Override", description: "Another rank or alpha for some of the targets." })
export type LoraOverride = typeof LoraOverride.Type

const LoraInit = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("kaiming") }).annotate({ description: "A uniform in ±1/√in." }),
  Schema.Struct({ kind: Schema.Literal("gaussian") }).annotate({ description: "A normal with deviation 1/r." })
]).annotate({ description: "How A starts; B starts at 0." })

export const LoraConfig = Schema.Struct({
  method: Schema.Literal("lora"),
  rank: rank.pipe(withDefault(8)),
  alpha: alpha.pipe(withDefault(16)),
  scaling: choice(["standard", "rank-stabilized"], "The scale s of s·BA: α/r, or α/√r (rsLoRA).").pipe(
    withDefault("standard")
  ),
  init: LoraInit.pipe(withDefault({ kind: "kaiming" })),
  targets,
  overrides: list(
    LoraOverride,
    "a list of overrides",
    "Other ranks or alphas for some targets; later entries win."
  ).pipe(withDefault([])),
  dropout: Schema.Literal(0)
    .annotate({ description: "Dropout on the adapter's input; only 0 in this version." })
    .pipe(withDefault(0)),
  modulesToSave
}).annotate({ title: "LoRA", description: "W + s·BA with W frozen." })
export type LoraConfig = typeof LoraConfig.Type

export const FullConfig = Schema.Struct({ method: Schema.Literal("full"), targets, modulesToSave }).annotate({
  title: "Full fine-tuning",
  description: "The targets' own weights and biases are trained."
})
export type FullConfig = typeof FullConfig.Type

export const NoneConfig = Schema.Struct({ method: Schema.Literal("none"), modulesToSave }).annotate({
  title: "Head alone",
  description: "Nothing but the head (and modulesToSave) is trained."
})
export type NoneConfig = typeof NoneConfig.Type

export const AdapterConfig = Schema.Union([LoraConfig, FullConfig, NoneConfig]).annotate({
  description: "What is trained beside the head."
})
export type AdapterConfig = typeof AdapterConfig.Type
