/**
 * The `optimizer` section, a union tagged by `kind`; and the facts of each optimizer that rules and texts ask. One file a kind in
 * `optimizers/`, with what its section looks like.
 */
import * as Schema from "effect/Schema"
import { AdamwConfig, adamwFacts } from "./optimizers/adamw.ts"
import { AltLoraConfig, AltLoraPlusConfig, altLoraFacts, altLoraPlusFacts } from "./optimizers/altlora.ts"
import type { OptimizerFacts } from "./optimizers/facts.ts"
import { LionConfig, lionFacts } from "./optimizers/lion.ts"
import { LoraMuonConfig, loraMuonFacts } from "./optimizers/lora-muon.ts"
import { LoraPlusConfig, loraPlusFacts } from "./optimizers/lora-plus.ts"
import { LoraPreConfig, loraPreFacts } from "./optimizers/lora-pre.ts"
import { LoraProConfig, loraProFacts } from "./optimizers/lora-pro.ts"
import { LoraRiteConfig, loraRiteFacts } from "./optimizers/lora-rite.ts"
import { LoraTsdConfig, loraTsdFacts } from "./optimizers/lora-tsd.ts"
import { RefloraConfig, refloraFacts } from "./optimizers/reflora.ts"
import { RiemannianConfig, riemannianFacts } from "./optimizers/riemannian.ts"
import { SgdConfig, sgdFacts } from "./optimizers/sgd.ts"
import type { Decided } from "./optimizers/shared.ts"
import { type Rule, rule } from "./problems.ts"

export type { AdamwConfig } from "./optimizers/adamw.ts"
export type { AltLoraConfig, AltLoraPlusConfig } from "./optimizers/altlora.ts"
export type { OptimizerFacts } from "./optimizers/facts.ts"
export type { LionConfig } from "./optimizers/lion.ts"
export type { LoraMuonConfig } from "./optimizers/lora-muon.ts"
export type { LoraPlusConfig } from "./optimizers/lora-plus.ts"
export type { LoraPreConfig } from "./optimizers/lora-pre.ts"
export type { LoraProConfig } from "./optimizers/lora-pro.ts"
export type { LoraRiteConfig } from "./optimizers/lora-rite.ts"
export type { LoraTsdConfig } from "./optimizers/lora-tsd.ts"
export type { RefloraConfig } from "./optimizers/reflora.ts"
export type { RiemannianConfig } from "./optimizers/riemannian.ts"
export type { SgdConfig } from "./optimizers/sgd.ts"
export { type Decided, isDecided, mustBeDecided, ScheduleConfig } from "./optimizers/shared.ts"

/** Schema of a plan's `optimizer` section, by `kind`. */
export const OptimizerConfig = Schema.Union([
  SgdConfig,
  AdamwConfig,
  LionConfig,
  LoraPlusConfig,
  RiemannianConfig,
  LoraProConfig,
  LoraRiteConfig,
  AltLoraConfig,
  AltLoraPlusConfig,
  LoraMuonConfig,
  LoraPreConfig,
  RefloraConfig,
  LoraTsdConfig
]).annotate({
  description: "How the trainable parameters are moved."
})
export type OptimizerConfig = typeof OptimizerConfig.Type
/** With a rate that is a number. */
export type DecidedOptimizer = Decided<OptimizerConfig>

type ConfigOf<Kind extends OptimizerConfig["kind"]> = Extract<OptimizerConfig, { readonly kind: Kind }>

/** An optimizer without facts does not compile. `src/optimizers/` has the same kinds with their equations. */
export const optimizerFacts = {
  adamw: adamwFacts,
  sgd: sgdFacts,
  lion: lionFacts,
  "lora-plus": loraPlusFacts,
  riemannian: riemannianFacts,
  "lora-pro": loraProFacts,
  "lora-rite": loraRiteFacts,
  altlora: altLoraFacts,
  "altlora-plus": altLoraPlusFacts,
  "lora-muon": loraMuonFacts,
  "lora-pre": loraPreFacts,
  reflora: refloraFacts,
  "lora-tsd": loraTsdFacts
} satisfies { readonly [Kind in OptimizerConfig["kind"]]: OptimizerFacts<ConfigOf<Kind>> }

/** The facts of the optimizer that a section names. */
export const factsOfOptimizer = ({ kind }: Pick<OptimizerConfig, "kind">): OptimizerFacts<OptimizerConfig> =>
  optimizerFacts[kind] as OptimizerFacts<OptimizerConfig>

/** The kinds that work with every adapter, for messages. */
export const unconditional: ReadonlyArray<string> = Object.entries<{ readonly needs: string }>(optimizerFacts).flatMap(
  ([kind, { needs }]) => (needs === "nothing" ? [kind] : [])
)

/** A plan, as far as rules about optimizers look at it. */
interface WithOptimizer {
  /** the optimizer section */
  readonly optimizer: OptimizerConfig
}

/** Facts between the fields of an optimizer's own section. */
export const optimizerRules: ReadonlyArray<Rule<WithOptimizer>> = Object.entries<OptimizerFacts<never>>(
  optimizerFacts
).flatMap(([kind, { rules = [] }]) =>
  rules.map(({ name, field, problem }) =>
    rule(name, `optimizer.${field}`, ({ optimizer }) =>
      optimizer.kind === kind ? problem(optimizer as never) : undefined
    )
  )
)
