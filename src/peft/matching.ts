/**
 * Matches modules to a PEFT configuration as `check_target_module_exists` and `get_pattern_key` of PEFT 0.21 do, by full names in the class that
 * was adapted ("bert.encoder.layer.0.attention.self.query").
 */
import { quoted } from "../boundary/index.ts"
import { fullMatch, numberAfter, reasonOf } from "./python-pattern.ts"

export interface Matching {
  /** module names or their ends, or one regular expression; "all-linear": every linear layer except the output layer */
  readonly targets: string | ReadonlyArray<string>
  readonly exclude: string | ReadonlyArray<string>
  /** indices of layers; null: all */
  readonly layers: ReadonlyArray<number> | null
  readonly layersPattern: ReadonlyArray<string>
}

type Means = (module: string) => boolean

/** Predicates of a configuration, with its regular expressions compiled. */
export interface Matched {
  readonly isTarget: Means
  /** returns the value of the first pattern that matches a module; undefined if none does */
  readonly patternValue: (patterns: Readonly<Record<string, number>>) => (module: string) => number | undefined
  /** patterns that cannot be used, each as the end of a sentence; complete after the functions were called */
  readonly problems: ReadonlyArray<string>
}

const ends = (module: string, name: string): boolean => module === name || module.endsWith(`.${name}`)

const nothing: Means = () => false

/** Returns whether a pattern consists of letters, digits, `_`, `-` and dots, which match any character each. */
const isPlain = (pattern: string): boolean => /^[\w.-]+$/.test(pattern)

/** Returns whether a plain pattern matches a module's whole name, or its end after a dot: most are full names, and there may be hundreds. */
const plainEnds =
  (pattern: string): Means =>
  (module) => {
    const from = module.length - pattern.length
    if (from < 0 || (from > 0 && module[from - 1] !== ".")) return false
    for (let i = 0; i < pattern.length; i++) if (pattern[i] !== "." && pattern[i] !== module[from + i]) return false
    return true
  }

export const matched = (
  { targets, exclude, layers, layersPattern }: Matching,
  saved: ReadonlyArray<string>
): Matched => {
  const problems: Array<string> = []
  /** Returns a function of names from an expression that may be invalid, or take too long on a name. */
  const guarded = <A>(field: string, source: string, make: () => (name: string) => A, otherwise: A) => {
    const attempt = <B>(action: () => B, instead: B): B => {
      try {
        return action()
      } catch (cause) {
        problems.push(`${field}: the pattern ${quoted(source, 80)} ${reasonOf(cause)}`)
        return instead
      }
    }
    const value = attempt(make, () => otherwise)
    return (name: string): A => attempt(() => value(name), otherwise)
  }
  const expression = (field: string, source: string, before = "", after = ""): Means =>
    guarded(field, source, () => fullMatch(source, before, after), false)
  const named = (field: string, names: string | ReadonlyArray<string>): Means => {
    if (typeof names !== "string") return (module) => names.some((name) => ends(module, name))
    // PEFT: no LoRA on what gives the output; which that is, the file's tensors say
    return names === "all-linear" ? () => true : expression(field, names)
  }
  const isNamed = named("target_modules", targets)
  const isExcluded = exclude === "" ? nothing : named("exclude_modules", exclude)
  // a module to save is never a target; PEFT takes its name as a pattern
  const isSaved = saved.map((name) =>
    isPlain(name)
      ? (module: string) => `.${module}.`.includes(`.${name}.`)
      : expression("modules_to_save", name, "(?:.*\\.)?", "(?:\\..*)?")
  )
  const numbers = layersPattern.map((pattern) =>
    guarded<number | undefined>("layers_pattern", pattern, () => numberAfter(pattern), undefined)
  )
  const layerOf = (module: string): number | undefined => {
    for (const numberOf of numbers) {
      const number = numberOf(module)
      if (number !== undefined) return number
    }
    if (numbers.length > 0) return undefined
    // the first number between dots that has two names before it
    const number = /^.*?\.[^.]*\.(\d+)\./.exec(module)?.[1]
    return number === undefined ? undefined : Number(number)
  }
  const inLayer: Means = (module) => layers === null || typeof targets === "string" || layers.includes(layerOf(module)!)
  return {
    isTarget: (module) =>
      !isExcluded(module) && !isSaved.some((means) => means(module)) && isNamed(module) && inLayer(module),
    patternValue: (patterns) => {
      const entries = Object.entries(patterns).map(([pattern, value]) => ({
        means: isPlain(pattern)
          ? plainEnds(pattern)
          : expression("rank_pattern or alpha_pattern", pattern, "(?:.*\\.)?"),
        value
      }))
      return (module) => entries.find(({ means }) => means(module))?.value
    },
    problems
  }
}
