/**
 * Scores programs by their tests: the text is a program, or the rest of one that the question begins.
 *
 *   HumanEval   columns prompt, test and entry_point: prompt + text + test + check(entry_point)
 *   otherwise   column tests: text + tests, which throw if it is wrong (`assert` in Python)
 *
 * Of an answer in a conversation only its first fenced block is taken, if there is one.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Scorer, ScorerError, type ScoringInput } from "../scorer.ts"
import { type ProgramLanguage, Programs } from "./programs.ts"

/** Returns the program that an answer is, or undefined if the row has no tests. */
const programOf = ({ row, form, text }: ScoringInput): string | undefined => {
  const { prompt, test, entry_point: entry, tests } = row
  const [, fenced] = (form === "chat" && /```[^\n]*\n([\s\S]*?)(?:\n```|$)/.exec(text)) || []
  if (typeof prompt === "string" && typeof test === "string" && typeof entry === "string") {
    // a block has the whole function, which is defined again after its beginning
    return `${prompt}${fenced === undefined ? text : `\n${fenced}`}\n${test}\ncheck(${entry})\n`
  }
  return typeof tests === "string" ? `${fenced ?? text}\n${tests}\n` : undefined
}

/** Returns the scorer of programs in a language. It needs the service `Programs`. */
export const programScorer = (language: ProgramLanguage): Scorer => {
  const run = (where: string, source: string) =>
    Effect.gen(function* () {
      const programs = yield* Effect.serviceOption(Programs)
      const fails = (reason: string) => new ScorerError({ where, reason })
      if (Option.isNone(programs)) return yield* fails("nothing runs programs; provide confinedPrograms()")
      return yield* programs.value.run(language, source).pipe(Effect.mapError(({ message }) => fails(message)))
    })
  return {
    metrics: { passed: "programs that pass their tests" },
    prepare: Effect.gen(function* () {
      const { passed, reason } = yield* run(language, "")
      if (!passed) return yield* new ScorerError({ where: language, reason: `an empty program fails: ${reason}` })
    }),
    // `Programs` has a limit of its own
    concurrency: Number.POSITIVE_INFINITY,
    score: (input) =>
      Effect.gen(function* () {
        const { where } = input
        const source = programOf(input)
        if (source === undefined) {
          const reason = "the row has no tests; expected a column tests, or prompt, test and entry_point"
          return yield* new ScorerError({ where, reason })
        }
        const { passed } = yield* run(where, source)
        return { passed: passed ? 1 : 0 }
      })
  }
}
