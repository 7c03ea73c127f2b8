/** Running programs that a model has written: the service, what it returns, and its error. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Languages of programs. */
export const programLanguages = ["python", "javascript", "typescript"] as const
/** Language of a program. */
export type ProgramLanguage = (typeof programLanguages)[number]

/** Error of a machine that cannot run programs at all. */
export class ProgramsError extends Schema.TaggedError<ProgramsError>()("ProgramsError", {
  /** a sentence with the remedy */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** Outcome of a program. */
export interface ProgramOutcome {
  /** whether it ran to its end without an error */
  readonly passed: boolean
  /** why it did not: the last line of its error, or the limit that it exceeded; absent if it passed */
  readonly reason?: string
}

/** Service that runs programs where they can harm nothing. */
export interface ProgramsShape {
  /** Runs a program to its end, its first error or a limit. A program that fails is an outcome, not an error. */
  readonly run: (language: ProgramLanguage, source: string) => Effect.Effect<ProgramOutcome, ProgramsError>
}

/** The service that runs programs. `confinedPrograms` provides it. */
export class Programs extends Context.Service<Programs, ProgramsShape>()("tfjs-lora-pro/Programs") {}
