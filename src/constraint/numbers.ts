/**
 * Numbers in a range as finite automata over their digits.
 *
 * Integers have at most 15 digits, other numbers at most 15 digits before and after the point together: such decimals are different numbers in
 * float64 and in the same order, so a range holds for the decoded number if it holds for the digits. A prefix v of the digits
 * with k more before the point continues to numbers from v·10ᵏ to just below (v + 1)·10ᵏ. If each of these intervals lies within or
 * outside of the range, a state only has to know which; otherwise v is a prefix of one of the bounds, of which there are few.
 */
import { type Node, node, type Rule } from "./automaton.ts"
import { explore, type Finite } from "./finite.ts"
import type { Ranges } from "./ranges.ts"

/** Constraints on a number. */
export interface NumberLimits {
  readonly integer: boolean
  readonly minimum: number
  readonly exclusiveMinimum: number
  readonly maximum: number
  readonly exclusiveMaximum: number
  /** integers of which the number must be a multiple */
  readonly multiples: ReadonlyArray<number>
}

const DIGITS = 15

/** x·10^scale, rounded down, and whether that is exact; by its shortest decimal. */
const scaled = (x: number, scale: number): readonly [units: bigint, exact: boolean] => {
  const [, sign, whole, part = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(x))!
  const digits = BigInt(sign! + whole! + part)
  const shift = Number(exponent) - part.length + scale
  if (shift >= 0) return [digits * 10n ** BigInt(shift), true]
  const divisor = 10n ** BigInt(-shift)
  const rest = ((digits % divisor) + divisor) % divisor
  return [(digits - rest) / divisor, rest === 0n]
}

interface NumberState {
  readonly phase: "start" | "minus" | "whole" | "point" | "part" | "e" | "sign" | "exponent"
  readonly negative: boolean
  /** digits so far, as an integer */
  readonly value: bigint
  readonly digits: number
  /** of these, after the point */
  readonly part: number
  /** digits of the exponent */
  readonly exponent: number
}

const powers: ReadonlyArray<bigint> = Array.from({ length: 2 * DIGITS + 2 }, (_, n) => 10n ** BigInt(n))
const power = (n: number): bigint => powers[n]!

const digit = (n: number): Ranges => [0x30 + n, 0x30 + n]
const character = (letter: string): Ranges => [letter.charCodeAt(0), letter.charCodeAt(0)]

const finiteNumber = (limits: NumberLimits): Finite | "empty" | "large" => {
  const { integer, minimum, exclusiveMinimum, maximum, exclusiveMaximum, multiples } = limits
  const scale = integer ? 0 : DIGITS
  const unit = 10n ** BigInt(scale)
  const most = 10n ** BigInt(DIGITS) * unit - 1n
  const up = ([units, exact]: readonly [bigint, boolean]) => (exact ? units : units + 1n)
  const down = ([units, exact]: readonly [bigint, boolean]) => (exact ? units - 1n : units)
  const larger = (a: bigint, b: bigint) => (a > b ? a : b)
  let [low, high] = [-most, most]
  if (Number.isFinite(minimum)) low = larger(low, up(scaled(minimum, scale)))
  if (Number.isFinite(exclusiveMinimum)) low = larger(low, scaled(exclusiveMinimum, scale)[0] + 1n)
  if (Number.isFinite(maximum)) high = -larger(-high, -scaled(maximum, scale)[0])
  if (Number.isFinite(exclusiveMaximum)) high = -larger(-high, -down(scaled(exclusiveMaximum, scale)))
  const free = !integer && low === -most && high === most
  const factor = multiples.reduce((a, b) => leastCommonMultiple(a, BigInt(b)), 1n)
  // of the digits, without the sign; no −0
  const [positive, negated] = [[larger(0n, low), high] as const, [larger(1n, -high), -low] as const]
  const within = (state: NumberState, from: bigint, to: bigint): "in" | "out" | "partly" => {
    const [first, last] = state.negative ? negated : positive
    if (from >= first && to <= last) return "in"
    return to < first || from > last ? "out" : "partly"
  }

  /** What may follow, in each way of continuing: as many digits more before the point, or none of these. */
  const follows = (state: NumberState): ReadonlyArray<"in" | "out" | "partly"> => {
    const { phase, value, digits, part } = state
    const left = DIGITS - digits
    if (phase === "whole") {
      const more = value === 0n ? 0 : left
      return Array.from({ length: more + 1 }, (_, k) => {
        const from = value * power(k) * unit
        const smallest = integer ? unit : power(scale - (left - k))
        return within(state, from, from + power(k) * unit - smallest)
      })
    }
    const size = power(scale - part)
    return [within(state, value * size, value * size + size - power(scale - part - left))]
  }
  const keyOf = (state: NumberState): string => {
    const { phase, negative, value, digits, part, exponent } = state
    if (phase !== "whole" && phase !== "point" && phase !== "part") return `${phase} ${exponent}`
    const ways = follows(state)
    if (ways.includes("partly")) return `${phase} ${negative} ${part} ${digits} ${value}`
    const zero = phase === "whole" && value === 0n
    return `${phase} ${zero} ${digits} ${ways.join()} ${value % factor}`
  }
  const accepts = (state: NumberState): boolean => {
    const { phase, value, part } = state
    if (phase === "exponent") return true
    if (phase !== "whole" && phase !== "part") return false
    const exact = value * power(scale - part)
    return within(state, exact, exact) === "in" && value % factor === 0n
  }
  const arcsOf = (state: NumberState): ReadonlyArray<readonly [Ranges, NumberState]> => {
    const { phase, value, digits, part, exponent } = state
    const to = (phase: NumberState["phase"], changed: Partial<NumberState> = {}): NumberState => ({
      ...state,
      phase,
      ...changed
    })
    const digitArcs = (of: (n: number) => NumberState, first = 0) =>
      Array.from({ length: 10 - first }, (_, i) => [digit(i + first), of(i + first)] as const)
    const appended = (phase: "whole" | "part") => (n: number) =>
      to(phase, { value: 10n * value + BigInt(n), digits: digits + 1, part: phase === "part" ? part + 1 : 0 })
    const e = (): ReadonlyArray<readonly [Ranges, NumberState]> =>
      free && accepts(state)
        ? [
            [character("e"), to("e")],
            [character("E"), to("e")]
          ]
        : []
    const room = digits < DIGITS
    switch (phase) {
      case "start":
        return [[character("-"), to("minus", { negative: true })], ...digitArcs(appended("whole"))]
      case "minus":
        return digitArcs(appended("whole"))
      case "whole":
        return [
          ...(room && value !== 0n ? digitArcs(appended("whole")) : []),
          ...(room && !integer ? [[character("."), to("point")] as const] : []),
          ...e()
        ]
      case "point":
      case "part":
        return [...(room ? digitArcs(appended("part")) : []), ...(phase === "part" ? e() : [])]
      case "e":
        return [
          [character("+"), to("sign")],
          [character("-"), to("sign")],
          ...digitArcs(() => to("exponent", { exponent: 1 }))
        ]
      case "sign":
        return digitArcs(() => to("exponent", { exponent: 1 }))
      case "exponent":
        return exponent < 2 ? digitArcs(() => to("exponent", { exponent: 2 })) : []
    }
  }
  const start: NumberState = { phase: "start", negative: false, value: 0n, digits: 0, part: 0, exponent: 0 }
  return explore(start, keyOf, (state) => ({
    accepts: accepts(state),
    arcs: arcsOf(state).filter(([, next]) => !(isCounted(next) && follows(next).every((way) => way === "out")))
  }))
}

const isCounted = ({ phase }: NumberState) => phase === "whole" || phase === "point" || phase === "part"

const leastCommonMultiple = (a: bigint, b: bigint): bigint => {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return (a / x) * b
}

/** Returns the rule, or what is wrong; "empty": no such number has at most 15 digits. */
export const numberRule = (limits: NumberLimits): Rule | { readonly broken: string } | "empty" => {
  const finite = finiteNumber(limits)
  if (finite === "empty") return finite
  if (finite === "large") return { broken: `multipleOf ${limits.multiples.join(" and ")} is too large to be supported` }
  const nodes = new Map<Finite, Node>()
  const of = (state: Finite): Node => {
    const known = nodes.get(state)
    if (known !== undefined) return known
    const made = node({
      accepts: state.accepts,
      edges: () => state.arcs.flatMap(({ ranges, to }) => [{ from: ranges[0]!, to: ranges[1]!, target: of(to) }])
    })
    nodes.set(state, made)
    return made
  }
  return { start: of(finite), path: "" }
}
