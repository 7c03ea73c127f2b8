/**
 * Displays a running command on stderr: one live line on a terminal, plain lines elsewhere (a log file, CI, or a program that reads them).
 *
 * Elsewhere, only work that takes long is reported, with at most one line in ten seconds: a run of seconds prints no more than its
 * results, and one of hours is never silent for long.
 */
import * as Effect from "effect/Effect"
import { counted, printable, printableLine, roughDuration, score } from "../boundary/index.ts"
import type { EvaluationReport } from "../output/index.ts"
import type { Listener, ProgressEvent, Working } from "../run/index.ts"
import type { StepReport } from "../training/index.ts"
import { type Colour, colourOf } from "./output.ts"

/** An evaluation; `split`: name of the split, or of the file with the rows. */
type Evaluated = Pick<EvaluationReport, "step" | "rows"> & { readonly split: string }

/** Formats an evaluation: "before training: test accuracy 50.0 %, macro-F1 33.3 %, loss 0.693 (300 rows)". */
export const evaluationLine = ({ step, split, rows }: Evaluated, scores: string): string => {
  const when = step === 0 ? "before training: " : Number.isNaN(step) ? "" : `after step ${step}: `
  return `${when}${split} ${scores} (${counted(rows, "row")})`
}

const bar = (share: number, width: number): string => {
  const filled = Math.round(Math.min(1, share) * width)
  return "█".repeat(filled) + "░".repeat(width - filled)
}

/** A line in several lengths, the longest first; the first that fits is shown. */
type Lengths = readonly [string, ...ReadonlyArray<string>]

/** A line of progress. */
interface Moving {
  /** on a terminal */
  readonly lengths: Lengths
  /** in a file or a pipe, without a progress bar */
  readonly plain: string
}

/** Returns lines with a bar, a short one, and none; then with fewer words. */
const barred = (before: string, share: number, after: string, ...fewer: ReadonlyArray<string>): Moving => {
  const plain = `${before} ${after}`
  return {
    lengths: [`${before} ${bar(share, 24)} ${after}`, `${before} ${bar(share, 10)} ${after}`, plain, ...fewer],
    plain
  }
}

type Step = StepReport & Pick<Extract<ProgressEvent, { readonly kind: "step" }>, "of" | "unit">

const rate = (perSecond: number): string => (perSecond < 10 ? perSecond.toFixed(1) : `${Math.round(perSecond)}`)

const stepLine = ({ of, unit, ...report }: Step, mean: number, secondsPerStep: number): Moving => {
  const remaining = secondsPerStep * (of - report.step)
  const step = `step ${String(report.step).padStart(String(of).length)}/${of}`
  const loss = `loss ${score(mean)}`
  const timeLeft = `${roughDuration(remaining)} left`
  const long = `${loss} · ${rate(report.tokensPerSecond)} ${unit}/s · ${timeLeft}`
  return barred(step, report.step / of, long, `${step} ${loss} · ${timeLeft}`, `${step} ${loss}`, step)
}

const workingLine = ({ what, done, of, unit = "" }: Working): Moving =>
  done === undefined || of === undefined
    ? { lengths: [`${what} …`, what], plain: `${what} …` }
    : barred(what, of === 0 ? 1 : done / of, `${done}/${of} ${unit}`.trimEnd(), `${done}/${of} ${what}`)

const evaluatingLine = ({ split, rows, of }: Extract<ProgressEvent, { readonly kind: "evaluating" }>): Moving =>
  barred(`evaluating ${split}`, rows / of, `${rows}/${of} rows`, `${split} ${rows}/${of} rows`)

/** Characters that take two columns of a terminal, and emoji. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{10000}-\u{10FFFF}]/u

const placesOf = (character: string): number => (WIDE.test(character) ? 2 : 1)

const widthOf = (text: string): number => [...text].reduce((sum, character) => sum + placesOf(character), 0)

/** Returns the longest line that fits into `width` columns; truncates the shortest. */
export const fitted = (lengths: Lengths, width: number): string => {
  const longest = lengths.find((text) => widthOf(text) <= width)
  if (longest !== undefined) return longest
  let prefix = ""
  let room = width - 1
  for (const character of lengths.at(-1)!) {
    room -= placesOf(character)
    if (room < 0) break
    prefix += character
  }
  return `${prefix}…`
}

export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
  /** Colours a printable text, if colours are supported. */
  readonly paint?: (text: string, colour: Colour) => string
}

/** Milliseconds. */
const timing = {
  /** between two updates of the live line */
  redraw: 80,
  /** duration of work, or of silence before work of unknown duration, after which a plain line reports it */
  long: 2_000,
  /** between two plain lines of progress */
  again: 10_000
} as const

/** Default width of a terminal in columns. */
const COLUMNS = 80

/**
 * Returns a listener that writes to `stream`. Shows a running mean of the loss, since single batches are noisy. `now`: milliseconds of a monotonic
 * clock.
 */
export const terminalListener = (stream: Screen, now: () => number = () => performance.now()): Listener => {
  const live = stream.isTTY === true
  let mean: number | undefined
  // for the steps of this process: a resumed run starts at any step
  let elapsed = 0
  let steps = 0
  /** time of the last output, and the work that it described */
  let lastOutput = { at: now(), work: "" }
  /** the current work, and its start */
  let current = { work: "", since: lastOutput.at }
  /** time of the last plain line of progress */
  let lastLine = Number.NEGATIVE_INFINITY
  const line = (text: string, work = "") => {
    const colour = colourOf(text)
    const plain = printable(text)
    const painted = colour === undefined ? plain : (stream.paint?.(plain, colour) ?? plain)
    stream.write(`${live ? "\r\x1b[2K" : ""}${painted}\n`)
    lastOutput = { at: now(), work }
  }
  /** Keeps the last column free: a terminal may go to the next line when it is filled. */
  const fitting = (lengths: Lengths): string => {
    const [longest, ...shorter] = lengths.map(printableLine)
    return fitted([longest!, ...shorter], (stream.columns || COLUMNS) - 1)
  }
  /** Shows work in progress; `work` identifies it across calls. */
  const moving = (work: string, { lengths, plain }: Moving, endless = false) => {
    const at = now()
    if (work !== current.work) current = { work, since: at }
    if (!live) {
      const lasts = at - (endless ? lastOutput.at : current.since)
      if (lasts < timing.long || at - lastLine < timing.again) return
      lastLine = at
      return line(plain, work)
    }
    if (work === lastOutput.work && at - lastOutput.at < timing.redraw) return
    stream.write(`\r\x1b[2K${fitting(lengths)}`)
    lastOutput = { at, work }
  }
  const onStep = (report: Step) => {
    mean = mean === undefined ? report.loss : 0.8 * mean + 0.2 * report.loss
    elapsed += report.milliseconds / 1000
    steps += 1
    const step = stepLine(report, mean, elapsed / steps)
    if (live && report.step === report.of) line(fitting(step.lengths), "step")
    else moving("step", step)
  }
  const show = (event: ProgressEvent) => {
    switch (event.kind) {
      case "notice":
        return line(event.message)
      case "working":
        return moving(event.what, workingLine(event), event.of === undefined)
      case "evaluating":
        return moving(`evaluating ${event.split}`, evaluatingLine(event))
      case "evaluation":
        return line(evaluationLine({ ...event, split: event.called ?? event.split }, event.scores))
      case "step":
        return onStep(event)
    }
  }
  return (event) => Effect.sync(() => void show(event))
}
