/**
 * Bounded Jinja. A chat template comes with a checkpoint and is a program: it can recurse, count to a billion, or write a text that
 * doubles with every line. This interpreter counts steps, characters and levels, and stops with an error message.
 *
 *   a step        a node evaluated, an element copied or compared, 128 characters written, 1,024 read
 *   characters    of any single text
 *   levels        nested nodes, including calls of macros
 *
 * `@huggingface/jinja` evaluates everything through `evaluate`, which is overridden. Results of most operations are counted afterwards,
 * since they are no larger than their operands together. If they can be much larger (`replace`, `join`, `indent`, `tojson`, `split`), the
 * operands are checked before the operation runs. So is a list that is written out, since it may contain
 * another list twice, and that one a third twice.
 */
import { Environment } from "@huggingface/jinja"
import { cut, isRecord, limit, messageOf, overLimit } from "../../boundary/index.ts"
import { type Node, PythonInterpreter, pythonProgram } from "./python-template.ts"
import { pythonText, strftime, type Value } from "./python-values.ts"

type Fields = Readonly<Record<string, unknown>>

export interface BoundedTemplate {
  /**
   * Renders the same text as transformers. `size`: number of messages plus thousands of characters of the input. `now`: local time for
   * `strftime_now`; default: the present. Throws if the template does, and if it exceeds a limit; `templateReason` describes the
   * exception.
   */
  readonly render: (fields: Fields, size: number, now?: Date) => string
}

// Longer inputs have the same number of steps: by default two million, which take half a second and may hold 200 MB.
const largestSize = 200

/** Compiles a template. Throws as `render` does. */
export const boundedTemplate = (source: string): BoundedTemplate => {
  if (source.length > limit("template-source")) throw new OverLimit(`is longer than ${overLimit("template-source")}`)
  if ((source.match(/\s+/g) ?? []).some(({ length }) => length > limit("template-spaces"))) {
    throw new OverLimit(`has more spaces in a row than ${overLimit("template-spaces")}`)
  }
  const parsed = pythonProgram(source)
  const uses = usesOf(parsed)
  return {
    render: (variables, size, now = new Date()) => {
      const environment = new Environment()
      const interpreter = new BoundedInterpreter(environment, uses, Math.min(1 + size, largestSize))
      for (const [name, value] of Object.entries({ ...globals(interpreter, now), ...variables }))
        environment.set(name, value)
      return String(interpreter.run(parsed).value)
    }
  }
}

/** Returns why a template cannot be compiled or rejects its input, as the end of a sentence; `over`: because of a limit. */
export const templateReason = (cause: unknown): { readonly over: string } | { readonly refused: string } => {
  if (cause instanceof OverLimit) return { over: cause.message }
  const message = messageOf(cause)
  // the parser recurses too, before there is anything to count
  if (/call stack|recursion/i.test(message)) return { over: tooDeep().message }
  if (cause instanceof RangeError) return { over: tooLong().message }
  // the parser continues after the last token
  if (cause instanceof TypeError) return { refused: "it ends within a tag or a block" }
  return { refused: cut(message, 500) }
}

/** A template exceeds one of its limits. The message is the end of a sentence. */
class OverLimit extends Error {}

const tooDeep = () => new OverLimit(`nests deeper than ${overLimit("template-depth")}`)
const tooLong = () => new OverLimit(`produces a text of more than ${overLimit("template-characters")}`)

/** Globals of templates in transformers, as in the library's own `render`. */
const globals = (interpreter: BoundedInterpreter, now: Date): Fields => ({
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception: (reason: unknown) => {
    throw new Error(typeof reason === "string" ? reason : "the reason is not a string")
  },
  range: (start: unknown, stop: unknown = null, step: unknown = 1) => {
    const [from, to] = stop === null ? [0, start] : [start, stop]
    if (!isCount(from) || !isCount(to) || !isCount(step)) throw new Error("range() takes integers")
    if (step === 0) throw new Error("range() step must not be zero")
    const size = Math.max(0, Math.ceil((to - from) / step))
    interpreter.spend(size)
    return Array.from({ length: size }, (_, i) => from + i * step)
  },
  strftime_now: (format: unknown) => {
    if (typeof format !== "string") throw new Error("strftime_now() takes a text")
    interpreter.spend(1 + format.length)
    return strftime(now, format)
  }
})

const isCount = (value: unknown): value is number => Number.isSafeInteger(value)

/** How the program uses a node's value, and the side costs of its evaluation. */
interface Use {
  /** steps */
  readonly cost: number
  /** whether its value is a new text or list */
  readonly copies: boolean
  /** whether the values of its parts are kept, since they determine the size of its own */
  readonly keepsParts: boolean
  /** for a filter: its name, and the number of parts that are its operands */
  readonly filter: { readonly name: string; readonly operands: number } | null
  /** whether its value is written out, compared or searched recursively */
  spelled: boolean
  /** whether its value is sorted, with several comparisons per element */
  sorted: boolean
  /** steps per element of its value, in a loop or a copy */
  eachElement: number
}

// A loop iteration creates a scope and nine values. An error, which ends an iteration early and is reported under a name without value, takes as long.
const roundCost = 8

const makers = /^(Filter|Call|If$|For$|ArrayLiteral|TupleLiteral|ObjectLiteral|BinaryExpression)/
/** Filters that access no elements of a list. */
const atOnce = new Set(["length", "first", "last", "default"])

/** Returns the uses of a program's nodes. Throws if they are nested too deep. */
const usesOf = (program: Node): ReadonlyMap<unknown, Use> => {
  const uses = new Map<unknown, Use>()
  const most = limit("template-depth")
  /** nodes in `part` */
  const survey = (part: unknown, level: number): number => {
    if (level > most) throw tooDeep()
    if (Array.isArray(part)) return part.reduce((size: number, each) => size + survey(each, level), 0)
    if (part instanceof Map) return survey([...part].flat(), level)
    if (!isRecord(part)) return 0
    const size = 1 + survey(Object.values(part), level + 1)
    uses.set(part, useOf(part, size))
    for (const [each, use] of usesOfParts(part)) Object.assign(uses.get(each) ?? {}, use)
    return size
  }
  survey(program, 0)
  return uses
}

const useOf = (node: Fields, size: number): Use => {
  const type = String(node["type"])
  const { body, filter, operator } = node
  const passes = isRecord(operator) && (operator["value"] === "and" || operator["value"] === "or")
  const isFilter = type === "FilterExpression" || type === "FilterStatement"
  return {
    // the library searches the body of a macro whenever it is defined
    cost: type === "Macro" || type === "CallStatement" ? size : type === "Break" || type === "Continue" ? roundCost : 1,
    copies: (makers.test(type) && !passes) || isSlice(node),
    keepsParts: type === "CallExpression" || (type === "MemberExpression" && mayGrow(node)) || isFilter,
    filter: isFilter ? { name: filterName(filter), operands: Array.isArray(body) ? body.length : 1 } : null,
    spelled: false,
    sorted: false,
    eachElement: 0
  }
}

/** Text methods that return a longer text, or several. */
const growing = ["replace", "split"]

/** Checks whether a member may be one of these methods: it is one, or its name is computed. */
const mayGrow = ({ property, computed }: Fields): boolean => {
  if (!isRecord(property)) return true
  const { type, value } = property
  const isNamed = computed !== true || type === "StringLiteral" || type === "IntegerLiteral"
  return !isNamed || growing.includes(String(value))
}

const isSlice = ({ type, property }: Fields): boolean =>
  type === "MemberExpression" && isRecord(property) && property["type"] === "SliceExpression"

const filterName = (filter: unknown): string => {
  const name = isRecord(filter) && isRecord(filter["callee"]) ? filter["callee"] : filter
  return isRecord(name) ? String(name["value"]) : ""
}

/** Returns the parts of a node with the uses of their values. */
const usesOfParts = (node: Fields): ReadonlyArray<readonly [part: unknown, use: Partial<Use>]> => {
  const { type, left, right, operand, object, argument, iterable, filter } = node
  switch (type) {
    case "BinaryExpression":
      return [left, right].map((side) => [side, { spelled: true }])
    case "FilterExpression": {
      const name = filterName(filter)
      const sorted = name === "sort" || name === "dictsort"
      if (name === "list") return [[operand, { eachElement: 1 }]]
      return atOnce.has(name) ? [] : [[operand, { spelled: true, sorted, eachElement: 1 }]]
    }
    case "MemberExpression":
      return isSlice(node) ? [[object, { eachElement: 1 }]] : []
    case "SpreadExpression":
    case "KeywordSpreadExpression":
      return [[argument, { eachElement: 1 }]]
    case "For": {
      const list = isRecord(iterable) && iterable["type"] === "SelectExpression" ? iterable["lhs"] : iterable
      return [[list, { eachElement: roundCost }], ...usesOfBlocks(node)]
    }
    default:
      return usesOfBlocks(node)
  }
}

/** The content of a block is written out. */
const usesOfBlocks = ({ body, alternate, defaultBlock }: Fields) =>
  [body, alternate, defaultBlock]
    .flatMap((block) => (Array.isArray(block) ? block : []))
    .map((part) => [part, { spelled: true }] as const)

/** A node under evaluation, with the values of its parts so far, in order of evaluation. */
interface Frame {
  readonly use: Use
  readonly parts: Array<Value>
}

class BoundedInterpreter extends PythonInterpreter {
  readonly #uses: ReadonlyMap<unknown, Use>
  /** objects of methods such as `text.replace` */
  readonly #owners = new WeakMap<Value, Value>()
  readonly #characters = limit("template-characters")
  readonly #levels = limit("template-depth")
  #left: number
  #level = 0
  #frame: Frame | undefined

  constructor(environment: Environment, uses: ReadonlyMap<unknown, Use>, size: number) {
    super(environment)
    this.#uses = uses
    this.#left = size * limit("template-steps")
  }

  spend(steps: number): void {
    this.#leave(steps)
    this.#left -= steps
  }

  /** Throws if fewer steps remain. */
  #leave(steps: number): void {
    if (steps > this.#left) throw new OverLimit(`takes more than ${overLimit("template-steps")} for each message`)
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    const use = this.#uses.get(node)
    if (use === undefined) return super.evaluate(node, environment)
    this.spend(use.cost)
    if (this.#level >= this.#levels) throw tooDeep()
    this.#level++
    const outer = this.#frame
    const frame = use.keepsParts ? { use, parts: [] as Array<Value> } : undefined
    this.#frame = frame
    try {
      // a filter finds no first element in an empty list
      const value: Value = super.evaluate(node, environment) ?? super.evaluate(undefined, environment)
      this.#count(value, use)
      if (frame !== undefined && value.type === "FunctionValue") this.#owners.set(value, frame.parts[0]!)
      if (outer !== undefined) this.#keep(value, outer)
      return value
    } finally {
      // a loop continues after an error that ended an iteration
      this.#frame = outer
      this.#level--
    }
  }

  #count(value: Value, { copies, spelled, sorted, eachElement }: Use): void {
    const content = value.value
    if (typeof content === "string") {
      if (content.length > this.#characters) throw tooLong()
      this.spend(content.length / (copies ? 128 : 1_024) + (content.length * eachElement) / 8)
    } else if (Array.isArray(content) || content instanceof Map) {
      const size = Array.isArray(content) ? content.length : content.size
      this.spend(size * (eachElement + (copies ? 1 : 0)))
      if (spelled) this.#spell(value, sorted ? Math.log2(size + 1) / 64 : 1 / 128)
    } else if (content === undefined) this.spend(roundCost)
  }

  /** Counts a value recursively, once for each time that it would be written out. */
  #spell(value: Value, stepsPerCharacter: number): { readonly values: number; readonly depth: number } {
    let [values, characters, depth] = [0, 0, 0]
    const walk = ({ value: content }: Value, level: number): void => {
      if (level > this.#levels) throw tooDeep()
      this.spend(1)
      values++
      depth = Math.max(depth, level)
      if (typeof content === "string") {
        characters += content.length
        if (characters > this.#characters) throw tooLong()
        this.spend(content.length * stepsPerCharacter)
      } else if (Array.isArray(content)) for (const element of content) walk(element, level + 1)
      else if (content instanceof Map) for (const element of content.values()) walk(element, level + 1)
    }
    walk(value, 0)
    return { values, depth }
  }

  /** Keeps a part's value. Throws if the parts so far would form a value that is too large. */
  #keep(value: Value, { use: { filter }, parts }: Frame): void {
    parts.push(value)
    if (filter !== null) {
      if (parts.length > filter.operands)
        this.#check(filter.name, parts.slice(0, filter.operands), parts.slice(filter.operands))
      return
    }
    const owner = this.#owners.get(value)
    if (owner?.type !== "StringValue") return
    const name = growing.find((each) => owner.builtins.get(each) === value)
    if (name !== undefined) this.#check(name, [owner], parts.slice(0, -1))
  }

  /** Throws if a filter or function would return too much. `operands`: one value, or the output of the statements of a block. */
  #check(name: string, operands: ReadonlyArray<Value>, values: ReadonlyArray<Value>): void {
    const args = values.flatMap((value) => [value, ...elementsOf(value)]).map(({ value }) => value)
    const texts = args.filter((arg) => typeof arg === "string")
    const isText = name === "replace" || name === "indent"
    const text = operands.map((each) => (isText || each.type === "StringValue" ? pythonText(each) : "")).join("")
    // pieces are values; without a separator there may be one per two characters
    const pieces = texts[0] === undefined ? text.length / 2 : occurrences(text, texts[0])
    if (name === "split") this.#leave(pieces)
    else if (this.#grown(name, text, operands[0], args, texts) > this.#characters) throw tooLong()
  }

  /** Returns the maximum number of characters added to the operand. */
  #grown(
    name: string,
    text: string,
    operand: Value | undefined,
    args: ReadonlyArray<unknown>,
    texts: ReadonlyArray<string>
  ): number {
    const widest = args.reduce((most: number, arg) => (typeof arg === "number" ? Math.max(most, arg) : most), 0)
    const [first = "", second = ""] = texts
    switch (name) {
      case "replace":
        return occurrences(text, first) * second.length
      case "indent":
        return (occurrences(text, "\n") + 1) * widest
      case "join":
        return (text.length + elementsOf(operand).length) * first.length
      case "tojson": {
        const { values, depth } = operand === undefined ? { values: 0, depth: 0 } : this.#spell(operand, 0)
        return values * texts.reduce((sum, { length }) => sum + length, (depth + 1) * widest)
      }
      default:
        return 0
    }
  }
}

const elementsOf = (value: Value | undefined): ReadonlyArray<Value> => {
  const content = value?.value
  return Array.isArray(content) ? content : content instanceof Map ? [...content.values()] : []
}

/** Counts the occurrences of a part in a text. */
const occurrences = (text: string, part: string): number => {
  if (part === "") return text.length + 1
  let count = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++
  return count
}
