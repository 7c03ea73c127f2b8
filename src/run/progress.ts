/**
 * Progress events of a run. The pipeline emits them; the listener (a terminal bar, a log, or none) displays them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type { EvaluationReport } from "../output/index.ts"
import { LISTENER, type Working } from "../progress/index.ts"
import type { StepReport } from "../training/index.ts"

export type { Working } from "../progress/index.ts"

/** An event of a run: a notice, an evaluation, a step. */
export type ProgressEvent =
  | {
      readonly kind: "notice"
      /** message, one sentence */
      readonly message: string
    }
  | Working
  | {
      readonly kind: "evaluating"
      /** name of the split, or of the file with the rows */
      readonly split: string
      /** number of rows completed */
      readonly rows: number
      /** number of rows to evaluate */
      readonly of: number
    }
  | (StepReport & {
      /** number of steps of the whole run */
      readonly of: number
      /** unit of its throughput, in the plural: "tokens", "images" */
      readonly unit: string
    })
  | (EvaluationReport & {
      /** result, as text */
      readonly scores: string
      /** name of the rows' file, if they are not a split of the plan */
      readonly called?: string | undefined
    })

/** Receives a run's progress events. */
export type Listener = (event: ProgressEvent) => Effect.Effect<void>

/** The program's listener; default: none. */
export const Progress = Context.Reference<Listener>(LISTENER, { defaultValue: () => () => Effect.void })

const withoutConsole = (loggers: ReadonlySet<Logger.Logger<unknown, unknown>>) =>
  new Set([...loggers].filter((logger) => logger !== Logger.defaultLogger))

/**
 * Logs a message and sends it to the listener, which displays it: Effect's console logger is skipped, loggers that a program adds get it.
 * A message that starts with "warning: " is logged as a warning.
 */
export const notice = (message: string) => {
  const logged = message.replace(/^warning: /, "")
  const log = logged === message ? Effect.logInfo(logged) : Effect.logWarning(logged)
  return Effect.flatMap(Progress, (tell) =>
    Effect.andThen(Effect.updateService(log, Logger.CurrentLoggers, withoutConsole), tell({ kind: "notice", message }))
  )
}

/** Reports a warning. */
export const warn = (message: string) => notice(`warning: ${message}`)
