/**
 * What a run says while it runs. The pipeline reports; the listener (a terminal bar, a log, or none) decides how it looks.
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
      /** a sentence */
      readonly message: string
    }
  | Working
  | {
      readonly kind: "evaluating"
      /** a split, or the name of the file whose rows they are */
      readonly split: string
      /** rows that are done */
      readonly rows: number
      /** rows that will be evaluated in all */
      readonly of: number
    }
  | (StepReport & {
      /** steps of the whole run */
      readonly of: number
      /** unit of its speed, in the plural: "tokens", "images" */
      readonly unit: string
    })
  | (EvaluationReport & {
      /** in words */
      readonly scores: string
      /** name of the rows' file, if they are not a split of the plan */
      readonly called?: string | undefined
    })

/** Takes a run's progress. */
export type Listener = (event: ProgressEvent) => Effect.Effect<void>

/** The listener of the program; none by default. */
export const Progress = Context.Reference<Listener>(LISTENER, { defaultValue: () => () => Effect.void })

const withoutConsole = (loggers: ReadonlySet<Logger.Logger<unknown, unknown>>) =>
  new Set([...loggers].filter((logger) => logger !== Logger.defaultLogger))

/** Logs a message and tells it. The listener is what shows it, so Effect's console logger is left out: loggers that a program adds get it. */
const said = (level: "Info" | "Warn", logged: string, message = logged) =>
  Effect.flatMap(Progress, (tell) =>
    Effect.andThen(
      Effect.updateService(Effect.logWithLevel(level)(logged), Logger.CurrentLoggers, withoutConsole),
      tell({ kind: "notice", message })
    )
  )

/** Reports a sentence. */
export const notice = (message: string) => said("Info", message)

/** Reports a sentence that asks for attention. */
export const warn = (message: string) => said("Warn", message, `warning: ${message}`)
