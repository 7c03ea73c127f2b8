/**
 * How a run looks while it runs, on stderr: one live line on a terminal, plain lines elsewhere (a log file, CI).
 */
import * as Effect from "effect/Effect"
import { printable, printableLine } from "../boundary/index.ts"
import type { EvaluationReport } from "../output/index.ts"
import { shortDuration } from "../output/report/index.ts"
import type { Listener, ProgressEvent } from "../run/index.ts"
import type { StepReport } from "../training/index.ts"

/** "before training: test accuracy 50.0 %, macro-F1 33.3 %, loss 0.693 (300 rows)" */
export const evaluationLine = ({ step, split, rows }: EvaluationReport, scores: string): string => {
  const when = step === 0 ? "before training: " : Number.isNaN(step) ? "" : `after step ${step}: `
  return `${when}${split} ${scores} (${rows} rows)`
}

const bar = (share: number, width = 24): string => {
  const filled = Math.round(share * width)
  return "█".repeat(filled) + "░".repeat(width - filled)
}

type Step = StepReport & Pick<Extract<ProgressEvent, { readonly kind: "step" }>, "of" | "unit">

const stepLine = ({ of, unit, ...report }: Step, mean: number, secondsPerStep: number): string => {
  const remaining = secondsPerStep * (of - report.step)
  return `step ${String(report.step).padStart(String(of).length)}/${of} ${bar(report.step / of)} loss ${mean.toFixed(3)} · ${Math.round(report.tokensPerSecond)} ${unit}/s · ${shortDuration(remaining)} left`
}

/** A listener that writes to `stream`. The loss shown is a running mean: single batches are noisy. */
export const terminalListener = (stream: { readonly isTTY?: boolean; write: (text: string) => unknown }): Listener => {
  const live = stream.isTTY === true
  let mean: number | undefined
  // of the steps seen here: a resumed run starts anywhere
  let elapsed = 0
  let seen = 0
  const line = (text: string) => stream.write(`${live ? "\r\x1b[2K" : ""}${printable(text)}\n`)
  const over = (text: string) => live && stream.write(`\r\x1b[2K${printableLine(text)}`)
  const onStep = (report: Step) => {
    const { of } = report
    mean = mean === undefined ? report.loss : 0.8 * mean + 0.2 * report.loss
    elapsed += report.milliseconds / 1000
    seen += 1
    const text = stepLine(report, mean, elapsed / seen)
    // plain lines: ten of them, and the last
    const due = report.step === of || report.step % Math.max(1, Math.floor(of / 10)) === 0
    if (live && report.step < of) over(text)
    else if (live || due) line(text)
  }
  const show = (event: ProgressEvent) => {
    switch (event.kind) {
      case "notice":
        return line(event.message)
      case "evaluating":
        return over(`evaluating ${event.split} ${bar(event.rows / event.of)} ${event.rows}/${event.of} rows`)
      case "evaluation":
        return line(evaluationLine(event, event.scores))
      case "step":
        return onStep(event)
    }
  }
  return (event) => Effect.sync(() => void show(event))
}
