/**
 * What a run says while it runs. The pipeline only tells; who listens (a terminal bar, a log, nobody) decides how it looks.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { EvaluationReport } from "./output/index.ts"
import type { StepReport } from "./training/index.ts"

export type ProgressEvent =
  | { readonly kind: "notice"; readonly message: string }
  | { readonly kind: "evaluating"; readonly split: string; readonly rows: number; readonly of: number }
  | (StepReport & { readonly of: number })
  | EvaluationReport

export type Listener = (event: ProgressEvent) => Effect.Effect<void>

/** The listener of the program; nobody by default. */
export const Progress = Context.Reference<Listener>("tfjs-lora-pro/Progress", {
  defaultValue: () => () => Effect.void
})
