/** Grammars of texts with tool calls. */
import type { Grammar, JsonStyle } from "../constraint/index.ts"
import type { JsonFields, Tool } from "../data/causal/index.ts"
import type { CallGrammar } from "./call-form.ts"

/** JSON in the style of transformers' `tojson`. */
export const jsonStyle: JsonStyle = { comma: ", ", colon: ": " }

/** Returns a grammar that matches a text. */
export const text = (value: string): Grammar => ({ kind: "text", text: value })

/** Returns a sequence of parts; a string matches itself. */
export const sequence = (...parts: ReadonlyArray<Grammar | string>): Grammar => ({
  kind: "sequence",
  parts: parts.filter((part) => part !== "").map((part) => (typeof part === "string" ? text(part) : part))
})

/** Returns a grammar of calls, separated by `between` and enclosed in `before` and `after`. */
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

/** Returns a grammar of `{"name": …, "arguments": …}`, with `rest` after the arguments. */
export const jsonCall =
  (key: string, ...rest: ReadonlyArray<Grammar | string>) =>
  (name: string, schema: JsonFields): Grammar =>
    sequence(`{"name": ${JSON.stringify(name)}, "${key}": `, { kind: "json", schema, style: jsonStyle }, ...rest, "}")

/** Returns a grammar of `name(key=value, …)`. */
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

/** Returns the schema of a tool's arguments: only the declared ones, unless it specifies additional properties itself. */
const argumentsSchema = ({ function: { parameters = {} } }: Tool): JsonFields => ({
  type: "object",
  ...parameters,
  ...(open.some((key) => key in parameters) ? {} : { additionalProperties: false })
})
