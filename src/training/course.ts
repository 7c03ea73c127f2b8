/**
 * Detects whether a run learns, from its training loss after a third of its steps and at its end.
 *
 * Compares the means over two windows of steps, since the loss of one batch is noisy: over the last fifth of the steps (at least three),
 * and over as many first ones. Too large a rate raises the loss with its first updates, and what it falls back from then is not
 * its initial value: if the first mean exceeds the very first loss by more than their noise, that loss is the start.
 *
 *   fell   last < start − c·e, and by a thousandth of it   e: the standard error of the difference; c: 2 after a third, 1 at the end
 *   rose   last > start + 3e, or the highest mean over a tenth of the steps > start + 5e; and at least a fifth above the start
 *   flat   otherwise: the loss has not changed by more than its noise
 *
 * The noise of a step comes from the differences of steps that follow each other, which a trend hardly changes (J. von Neumann 1941), by
 * their median, which single jumps do not change. It is that number, or that share of the level where it is less: a loss that was thrown up is
 * noisier than it was before. The same loss in other units (times a positive number) has the same course. Of runs that learn nothing, 3 to 6 in
 * 100 look as if they fell (at 2e; 16 to 20 at e), and up to 3 as if they rose; 5 where a step has 4 rows whose losses are log-normal with σ = 0.9.
 * A fifth: healthy runs jump by 15 % (bench/studies/paper-pairs.md, LoRA at twice its best rate).
 *
 * A loss that is flat after a third says little: runs of that very study are at ln 2 for a third of their steps and end at 0.2. So it is a
 * warning then only where nothing moves, and at the end always.
 */
import { counted, scientific, score, wholeNumber } from "../boundary/index.ts"
import type { StepReport } from "./step-report.ts"

/** Fewest steps for a judgement: with fewer, neither mean nor noise is known well enough. */
export const LEAST_STEPS = 10

/** Returns the number of steps after which a run of `planned` steps is first judged. */
export const firstLook = (planned: number): number => Math.ceil(planned / 3)

export interface Course {
  readonly kind: "fell" | "rose" | "flat"
  /** losses that are compared; `last` is the mean over the final `over` steps */
  readonly start: number
  readonly last: number
  readonly over: number
  /** threshold of a fall: the standard error of the difference, times the required number of them */
  readonly error: number
  /** highest mean over a tenth of the steps, and the step at its middle */
  readonly peak: number
  readonly peakStep: number
  /** whether the loss was clearly below its start before that */
  readonly fellFirst: boolean
  /** highest loss of a single step, if it is clearly above the start; null: no such step */
  readonly jump: number | null
}

/** Of |x − y| for x, y from one normal distribution of deviation 1 the median is 0.9539. */
const DEVIATION = 1 / 0.9539
/** How many standard errors below its start a loss has to fall. */
const SURELY = 2
const LIKELY = 1
/** how many above it has to rise; the same where the highest of many means is compared */
const CLEARLY = 3
const OF_MANY = 5
const WELL_ABOVE = 0.2
/** where every step has all rows there is no noise, and a rate that is nothing still makes the loss a little smaller every time */
const LEAST_FALL = 1e-3
const LEAST_WINDOW = 3

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

const medianOf = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The deviation of a step's loss from its level: as it is over all steps, or as a share of the level, whichever is less. */
const noiseOf = (losses: ReadonlyArray<number>) => {
  const differences = losses.slice(1).map((loss, i) => Math.abs(loss - losses[i]!))
  const shares = differences.map((difference, i) => {
    const level = (Math.abs(losses[i]!) + Math.abs(losses[i + 1]!)) / 2
    return level === 0 ? 0 : difference / level
  })
  const [noise, share] = [DEVIATION * medianOf(differences), DEVIATION * medianOf(shares)]
  return (level: number): number => Math.min(noise, share * Math.abs(level))
}

/** Returns the course of the losses; null for fewer than `LEAST_STEPS` losses. Ignores values that are not finite, which end a run. */
export const courseOf = (allLosses: ReadonlyArray<number | null>, certain: number): Course | null => {
  const losses = allLosses.filter((loss): loss is number => loss !== null && Number.isFinite(loss))
  if (losses.length < LEAST_STEPS) return null
  const noise = noiseOf(losses)
  const over = Math.max(LEAST_WINDOW, Math.round(losses.length / 5))
  const [first, last] = [mean(losses.slice(0, over)), mean(losses.slice(-over))]
  const errorOf = (level: number, steps: number) => noise(level) / Math.sqrt(steps)
  // a single loss may be low by chance: its noise is that of most
  const middle = medianOf(losses)
  const thrown = first - losses[0]! > 2 * Math.hypot(errorOf(middle, 1), errorOf(middle, over))
  const [start, startError] = thrown ? [losses[0]!, errorOf(middle, 1)] : [first, errorOf(first, over)]
  const error = (level: number, steps: number) => Math.hypot(startError, errorOf(level, steps))
  const wide = Math.max(LEAST_WINDOW, Math.round(losses.length / 10))
  const means = losses.slice(wide - 1).map((_, i) => mean(losses.slice(i, i + wide)))
  const at = means.indexOf(Math.max(...means))
  const peak = means[at]!
  const highest = Math.max(...losses)
  const lowest = Math.min(...means.slice(0, at + 1))
  const well = (level: number) => level - start > WELL_ABOVE * Math.abs(start)
  const fell = start - last > Math.max(certain * error(last, over), LEAST_FALL * Math.abs(start))
  const rose =
    (last - start > CLEARLY * error(last, over) && well(last)) ||
    (peak - start > OF_MANY * error(peak, wide) && well(peak))
  return {
    kind: fell ? "fell" : rose ? "rose" : "flat",
    start,
    last,
    over,
    error: certain * error(last, over),
    peak,
    peakStep: at + 1 + (wide >> 1),
    fellFirst: lowest - start < -OF_MANY * error(lowest, wide),
    jump: highest - start > OF_MANY * error(highest, 1) && well(highest) ? highest : null
  }
}

/** A warning about a run that did not learn, or got worse: the observation, and what to change. */
export interface Warning {
  /** evidence: the training loss, or the score of an evaluation */
  readonly about: "loss" | "score"
  /** step after which it was observed */
  readonly step: number
  /** observation, as a clause */
  readonly says: string
  /** remedy, as a clause */
  readonly advice: string
}

/** Returns a warning's text as a clause. */
export const warningText = ({ says, advice }: Pick<Warning, "says" | "advice">): string => `${says}; ${advice}`

/** Values of a step that are judged: numbers only, since a run keeps them for all its steps. */
export interface StepRecord extends Pick<StepReport, "loss" | "learningRate"> {
  /** ‖ΔA‖/‖A‖, the median over the layers; undefined: no factor A, or a record of an older version */
  readonly moved: number | undefined
}

export const stepRecordOf = ({ loss, learningRate, health }: StepReport): StepRecord => ({
  loss,
  learningRate,
  // rows of before may lack it
  moved: (health as StepReport["health"] | undefined)?.relativeUpdateA?.median
})

/** Names of the settings that may be changed. */
export interface Named {
  /** setting of the learning rate: "optimizer.learningRate" */
  readonly rate: string
  /** setting that trains the model's last layer, if it is frozen; null: it is trained, or there is no head */
  readonly head: string | null
}

const lossesOf = (steps: ReadonlyArray<StepRecord>) => steps.map(({ loss }) => loss)

/** The largest that was used: schedules begin and end with less. */
const rateOf = (steps: ReadonlyArray<StepRecord>): number | null =>
  steps.reduce<number | null>((most, { learningRate }) => {
    if (learningRate === null || learningRate === undefined) return most
    return most === null ? learningRate : Math.max(most, learningRate)
  }, null)

/** How far A went, as a share of its size: the sum over the steps, of the median layer. null: no A moves at all, so this says nothing. */
const wayOf = (steps: ReadonlyArray<StepRecord>): number | null => {
  const way = steps.reduce((sum, { moved = 0 }) => sum + moved, 0)
  return way > 0 ? way : null
}

/** Shorter ways move no answer; healthy runs were seen to go 0.2 to 4 in their first third. */
const STILL = 0.01
const HEALTHY = 0.3
const FAR = 1
/** A loss that is above the first batch's by more than this share of it was thrown up: batches of few rows differ by less. */
const THROWN = 2

/** "optimizer.learningRate 10 times smaller (1e-4 instead of 1e-3)" */
const changed = (name: string, steps: ReadonlyArray<StepRecord>, factor: number, way: "smaller" | "larger"): string => {
  const rate = rateOf(steps)
  const next = rate === null || rate === 0 ? null : way === "smaller" ? rate / factor : rate * factor
  const numbers = next === null ? "" : ` (${scientific(next, 1)} instead of ${scientific(rate, 2)})`
  return `${name} ${wholeNumber(factor)} times ${way}${numbers}`
}

/** How many times smaller to make a learning rate at which the loss rose by that share of its start. */
const smallerBy = (rise: number): number => (rise > 10 ? 100 : rise > 0.5 ? 10 : 3)

/** What to change, by what the loss did. */
const adviceOf = (course: Course, steps: ReadonlyArray<StepRecord>, { rate, head }: Named): string => {
  const way = wayOf(steps)
  if (course.kind === "rose") {
    const rise = (course.peak - course.start) / Math.abs(course.start)
    const lower = `the learning rate is too high: try ${changed(rate, steps, smallerBy(rise), "smaller")}`
    return course.fellFirst
      ? `it fell first, so also check the order of the rows (rows sorted by class need shuffling); otherwise ${lower}`
      : `${lower}, with a warm-up if the plan has none; a new head has its own rate, headLearningRate`
  }
  if (way !== null && way < STILL) {
    const factor = 10 ** Math.max(1, Math.floor(Math.log10(HEALTHY / way)))
    return `the adapter has hardly changed: try ${changed(rate, steps, factor, "larger")}`
  }
  const frozen = head === null ? "" : `the model's last layer is frozen: if it is new, train it with ${head}; then `
  const [one, other] = course.jump === null ? (["larger", "smaller"] as const) : (["smaller", "larger"] as const)
  const seen = course.jump === null ? "" : `it jumped to ${score(course.jump)} on the way; `
  const moved = way === null ? "" : "the adapter changed, but the loss did not; "
  return `${seen}${moved}${frozen}try ${changed(rate, steps, 3, one)}, then 3 times ${other}, and check the labels and which layers are adapted`
}

const saysOf = (course: Course, steps: number, planned: number): string => {
  const { kind, start, last, over, error, peak, peakStep } = course
  const of = steps === planned ? `all ${steps} steps` : `${steps} of ${planned} steps`
  const noise = last < start && start - last < error
  const now = `${score(last)} over the last ${over}, compared with ${score(start)} at the start`
  const top = kind === "rose" && peak > last ? `, and was ${score(peak)} around step ${peakStep}` : ""
  return noise
    ? `after ${of} the training loss has not fallen below its start by more than its noise: it is ${now}, ± ${score(error)}${top}`
    : `after ${of} the training loss has not fallen below its start: it is ${now}${top}`
}

/** Returns advice for a run with a poor score, by the course of its training loss. `loss`: the loss of the rows scored. */
export const scoreAdvice = (steps: ReadonlyArray<StepRecord>, loss: number | null, named: Named): string => {
  const course = courseOf(lossesOf(steps), LIKELY)
  if (course !== null && course.kind !== "fell") return adviceOf(course, steps, named)
  if (course === null) {
    const first = steps[0]?.loss ?? null
    const rise = loss === null || first === null ? 0 : (loss - first) / Math.abs(first)
    if (rise > THROWN)
      return `the loss rose from ${score(first)} at the first step to ${score(loss)} on these rows, so the learning rate is too high: try ${changed(named.rate, steps, smallerBy(rise), "smaller")}`
    return `${counted(steps.length, "step")} are too few to tell: train longer, or try ${changed(named.rate, steps, 3, "larger")}`
  }
  const { start, last } = course
  const fell = `the training loss fell from ${score(start)} to ${score(last)}`
  // A went further than it is long, and what it ends at answers nothing: it was thrown somewhere
  if ((wayOf(steps) ?? 0) > FAR && start - last < WELL_ABOVE * Math.abs(start))
    return `${fell} only, although the adapter changed a lot: try ${changed(named.rate, steps, 3, "smaller")}, then more steps`
  return loss !== null && loss > start && last < start
    ? `${fell}, but on these rows it is ${score(loss)}: the model has memorised the training rows, so use fewer steps, output.keep "best", more rows or a smaller rank; also check that both splits have the same labels`
    : `${fell}: train for more steps, or try ${changed(named.rate, steps, 3, "larger")}`
}

interface LossWatch {
  readonly planned: number
  readonly ended: boolean
  /** whether the model starts untrained. For a trained start, a constant loss is normal: only a rise is reported. */
  readonly fresh?: boolean
  readonly named: Named
}

/**
 * Returns a warning about the training loss of a run of `planned` steps, after the steps `records`: decided after a third of
 * them and, if no warning was given then, by all of them once the run has `ended`. Depends on the steps alone, so a resumed run gives the
 * warnings of an uninterrupted one.
 */
export const lossWarning = (
  records: ReadonlyArray<StepRecord>,
  { planned, ended, fresh = true, named }: LossWatch
): Warning | null => {
  const warned = (steps: ReadonlyArray<StepRecord>, course: Course): Warning => ({
    about: "loss",
    step: steps.length,
    says: saysOf(course, steps.length, planned),
    advice: adviceOf(course, steps, named)
  })
  const early = records.slice(0, firstLook(planned))
  const course = early.length < firstLook(planned) ? null : courseOf(lossesOf(early), SURELY)
  if (course?.kind === "rose" || (course?.kind === "flat" && fresh && isStill(early))) return warned(early, course)
  const whole = ended ? courseOf(lossesOf(records), LIKELY) : null
  return whole === null || whole.kind === "fell" || (whole.kind === "flat" && !fresh) ? null : warned(records, whole)
}

/** Nothing moves: the adapter does not, or the loss is the same number at every step. A rate that still warms up will move it yet. */
const isStill = (steps: ReadonlyArray<StepRecord>): boolean => {
  const [before, last] = steps.slice(-2).map(({ learningRate }) => learningRate ?? 0)
  if (last! > before!) return false
  const way = wayOf(steps)
  return (way !== null && way < STILL) || steps.every(({ loss }) => loss === steps[0]!.loss)
}
