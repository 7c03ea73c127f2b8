/**
 * Jinja with Python's semantics, where `@huggingface/jinja` writes another text or fails: printed values that are not texts, filters
 * and loops over undefined values, `strip` with characters, equality of lists, and variables that one loop iteration sets and the next reads.
 *
 * The program is rewritten once (printed values become `… | string`, loop operands `… | list`), and the interpreter evaluates the
 * operands of some nodes itself and passes the library a node with their values.
 */

import { type Environment, Interpreter, Template } from "@huggingface/jinja"
import { isRecord } from "../../boundary/index.ts"
import { isEqual, pythonJson, pythonText, strip, templateValue, type Value } from "./python-values.ts"

/** A node of a parsed template. */
export type Node = NonNullable<Parameters<Interpreter["evaluate"]>[0]>

type Program = Template["parsed"]
type Mutable = Record<string, unknown>

/** Parses a template. Throws if it is invalid. */
export const pythonProgram = (source: string): Program => {
  const { parsed } = new Template(source.replace(/\r\n?/g, "\n"))
  rewrite(parsed)
  return parsed
}

const rewrite = (node: unknown): void => {
  if (Array.isArray(node) || node instanceof Map) for (const each of node) rewrite(each)
  if (!isRecord(node)) return
  for (const part of Object.values(node)) rewrite(part)
  for (const block of [node["body"], node["alternate"], node["defaultBlock"]]) {
    if (Array.isArray(block)) block.forEach((each, i) => (block[i] = isPrinted(each) ? filtered(each, "string") : each))
  }
  if (node["type"] !== "For") return
  const { iterable, body, loopvar } = node as Record<"iterable" | "loopvar", Mutable> & { body: Array<unknown> }
  if (iterable["type"] === "SelectExpression") iterable["lhs"] = filtered(iterable["lhs"] as Node, "list")
  else (node as Mutable)["iterable"] = filtered(iterable as unknown as Node, "list")
  const names = [loopvar["value"]].flat().map((each) => (isRecord(each) ? each["value"] : each))
  body.unshift({ type: "Round", savedNames: ["loop", ...names] })
}

const unprinted = /^(Set|If|For|Macro|CallStatement|FilterStatement|Break|Continue|Comment|StringLiteral)$/
const isPrinted = (node: unknown): node is Node => isRecord(node) && !unprinted.test(String(node["type"]))

/** Returns the node with a filter after it; of the library's class, since it looks for `varargs` only in such nodes. */
const filtered = (operand: Node, name: string): Node =>
  Object.assign(Object.create(Object.getPrototypeOf(operand)) as Node, {
    type: "FilterExpression",
    operand,
    filter: { type: "Identifier", value: name }
  })

/** Fields of the nodes that are evaluated here. */
interface Parts {
  readonly operand: Node
  readonly left: Node
  readonly right: Node
  readonly object: Node
  readonly property: { readonly value: string }
  readonly computed: boolean
  readonly negate: boolean
  readonly operator: { readonly value: string }
  readonly test: { readonly value: string }
  readonly filter: {
    readonly type: string
    readonly value: string
    readonly callee: { readonly value: string }
    readonly args: ReadonlyArray<Argument>
  }
  readonly value: Value
  readonly savedNames: ReadonlyArray<string>
}
type Argument = Node & { readonly key?: { readonly value: string }; readonly value: Node }

/** Filters of texts, which convert any other operand to text first. */
const ofTexts = new Set(["upper", "lower", "title", "capitalize", "replace", "indent"])
/** Filters of lists, which treat undefined operands as empty. */
const ofLists = new Set("first last join length reverse sort unique map selectattr rejectattr".split(" "))

const isCollection = ({ type }: Value): boolean => /^(Array|Tuple|Object|String|Undefined)Value$/.test(type)

const tests = new Map<string, (value: Value) => boolean>([
  ["iterable", isCollection],
  ["sequence", isCollection],
  ["number", ({ value }) => typeof value === "number" || typeof value === "boolean"]
])

/** Text methods whose results differ in the library. */
const methods = new Map<string, (text: string, characters: unknown) => string>([
  ["strip", (text, characters) => strip(text, characters, "both")],
  ["lstrip", (text, characters) => strip(text, characters, "left")],
  ["rstrip", (text, characters) => strip(text, characters, "right")],
  ["capitalize", (text) => capitalized(text)]
])

const capitalized = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase()

// Python counts such a pair as one character
const pairs = /[\ud800-\udbff][\udc00-\udfff]/g

const jsonOptions = ["ensure_ascii", "indent", "separators", "sort_keys"]

const constantNode = (value: Value): Node => ({ type: "Held", value }) as Node

/** Evaluates a program of `pythonProgram`. */
export class PythonInterpreter extends Interpreter {
  override evaluate(node: Node | undefined, environment: Environment): Value {
    if (node === undefined) return super.evaluate(node, environment)
    const parts = node as unknown as Parts
    switch (node.type) {
      case "Held":
        return parts.value
      case "Round":
        for (const name of environment.variables.keys()) {
          if (!parts.savedNames.includes(name)) environment.variables.delete(name)
        }
        return templateValue(null)
      case "FilterExpression": {
        const operand = this.evaluate(parts.operand, environment)
        return (
          this.#filter(operand, parts, environment) ??
          super.evaluate({ ...node, operand: constantNode(asOperand(operand, nameOf(parts))) } as Node, environment)
        )
      }
      case "TestExpression": {
        const test = tests.get(parts.test.value)
        if (test === undefined) break
        return templateValue(test(this.evaluate(parts.operand, environment)) !== parts.negate)
      }
      case "MemberExpression": {
        const method = parts.computed ? undefined : methods.get(parts.property.value)
        if (method === undefined) break
        const object = this.evaluate(parts.object, environment)
        const text: unknown = object.value
        if (typeof text === "string") return templateValue((characters: unknown) => method(text, characters))
        return super.evaluate({ ...node, object: constantNode(object) } as Node, environment)
      }
      case "BinaryExpression":
        if (/^(\+|~|==|!=|in|not in)$/.test(parts.operator.value)) return this.#operate(node, parts, environment)
    }
    return super.evaluate(node, environment)
  }

  /** Applies a filter; undefined: the library implements it correctly. */
  #filter(operand: Value, parts: Parts, environment: Environment): Value | undefined {
    const content: unknown = operand.value
    const defaults = (names: ReadonlyArray<string>) =>
      Object.fromEntries(
        (parts.filter.type === "Identifier" ? [] : parts.filter.args).map((each, i) =>
          each.key === undefined
            ? [names[i], this.evaluate(each, environment).value]
            : [each.key.value, this.evaluate(each.value, environment).value]
        )
      )
    switch (nameOf(parts)) {
      case "string":
      case "safe":
        return typeof content === "string" ? operand : templateValue(pythonText(operand))
      case "trim":
        return templateValue(strip(pythonText(operand), defaults(["chars"])["chars"], "both"))
      case "capitalize":
        return templateValue(capitalized(pythonText(operand)))
      case "tojson":
        return templateValue(pythonJson(operand, defaults(jsonOptions)))
      case "length":
        return typeof content === "string" ? templateValue(content.replace(pairs, "-").length) : undefined
      case "list":
        if (Array.isArray(content)) return operand
        return isCollection(operand)
          ? templateValue(content instanceof Map ? [...content.keys()] : [...String(content ?? "")])
          : undefined
      default:
        return undefined
    }
  }

  #operate(node: Node, parts: Parts, environment: Environment): Value {
    const [left, right] = [this.evaluate(parts.left, environment), this.evaluate(parts.right, environment)]
    const operator = parts.operator.value
    if (operator === "~") return templateValue(pythonText(left) + pythonText(right))
    if (operator === "==" || operator === "!=") return templateValue(isEqual(left, right) === (operator === "=="))
    const elements: unknown = right.value
    if (operator !== "+" && Array.isArray(elements)) {
      return templateValue(elements.some((each) => isEqual(left, each)) === (operator === "in"))
    }
    const texts = [left, right].filter(({ type }) => type === "StringValue").length
    if (operator === "+" && texts === 1) throw new Error("it adds a text and a value that is not a text")
    return super.evaluate({ ...node, left: constantNode(left), right: constantNode(right) } as Node, environment)
  }
}

const nameOf = ({ filter }: Parts): string => (filter.type === "Identifier" ? filter.value : filter.callee.value)

/** Converts the operand of a library filter, so that its result is Python's. */
const asOperand = (operand: Value, filter: string): Value => {
  if (ofTexts.has(filter) && operand.type !== "StringValue") return templateValue(pythonText(operand))
  if (operand.type === "UndefinedValue")
    return ofLists.has(filter) ? templateValue([]) : filter === "items" ? templateValue({}) : operand
  const content: unknown = operand.value
  return filter === "join" && Array.isArray(content) ? templateValue(content.map(pythonText)) : operand
}
