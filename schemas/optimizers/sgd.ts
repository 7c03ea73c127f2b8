/** w ← w − η·(g + momentum)   { "kind": "sgd", "learningRate": 0.1 } */
import * as Schema from "effect/Schema"
import { belowOne, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "sgd"`. */
export const SgdConfig = Schema.Struct({
  kind: Schema.Literal("sgd"),
  ...shared,
  momentum: belowOne("Share of the last velocity that is kept.").pipe(withDefault(0))
}).annotate({ title: "SGD", description: "Gradient descent, with momentum if asked." })
export type SgdConfig = typeof SgdConfig.Type

export const sgdFacts = { ...plain, label: "SGD", paper: null, needs: "nothing" } satisfies OptimizerFacts<SgdConfig>
