/** Grammars of texts that call tools. */
import type { Grammar, JsonStyle } from "../constraint/index.ts"
import type { JsonFields, Tool } from "../data/causal/index.ts"
import type { CallGrammar } from "./call-form.ts"

/** As transformers' `tojson` writes JSON. */
export const jsonStyle: JsonStyle = { comma: ", ", colon: ": " }

export const text = (value: string): Grammar => ({ kind: "text", text: value })

/** Parts that follow one another; a string is itself. */
export const sequence = (...parts: ReadonlyArray<Grammar | string>): Grammar => ({
  kind: "sequence",
  parts: parts.filter((part) => part !== "").map((part) => (typeof part === "string" ? text(part) : part))
})

/** Calls, `between` two of them, all of them between `before` and `after`. */
export const callGrammar =
  (
    call: (name: string, schema: JsonFields) => Grammar,
    [before, between, after]: readonly [before: Grammar | string, between: string, after: string]
  ): CallGrammar =>
  (tools, { parallel }) => {
    const options = tools.map((tool) => call(tool.function.name, argumentsSchema(tool)))
    const calls: Grammar = {
      kind: "repeat",
      body: { kind: "choice", options },
      between,
      min: 1,
      max: parallel ? null : 1
    }
    return sequence(before, calls, after)
  }

/** `{"name": …, "arguments": …}`, with `rest` after the arguments. */
export const jsonCall =
  (key: string, ...rest: ReadonlyArray<Grammar | string>) =>
  (name: string, schema: JsonFields): Grammar =>
    sequence(`{"name": ${JSON.stringify(name)}, "${key}": `, { kind: "json", schema, style: jsonStyle }, ...rest, "}")

/** `name(key=value, …)` */
export const pythonCall = (name: string, schema: JsonFields): Grammar =>
  sequence(
    `${name}(`,
    {
      kind: "members",
      schema,
      equals: "=",
      comma: ", ",
      style: { ...jsonStyle, literals: ["True", "False", "None"] }
    },
    ")"
  )

const open = ["additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref"]

/** The schema of a tool's arguments: those that it declares, unless it says itself which others there may be. */
const argumentsSchema = ({ function: { parameters = {} } }: Tool): JsonFields => ({
  type: "object",
  ...parameters,
  ...(open.some((key) => key in parameters) ? {} : { additionalProperties: false })
})
