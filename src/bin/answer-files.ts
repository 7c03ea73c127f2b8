/** What files say of answers: the tools that may be called, the schema of a value. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type ToolUse, toolUse } from "../calls/index.ts"
import { type Constraint, constraintOf } from "../constraint/index.ts"
import { type ToolCall, toolsIn } from "../data/causal/index.ts"
import { readJsonFile } from "../files/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import { userError } from "./user-error.ts"

/** The tools in a file, as a model of this tokenizer uses them; undefined: none are given. */
export const toolsOf = (file: Option.Option<string>, tokenizer: CausalTokenizer) =>
  Effect.gen(function* () {
    if (Option.isNone(file)) return undefined
    const tools = toolsIn(yield* readJsonFile(file.value), "tools")
    if ("broken" in tools) return yield* userError(`${file.value}: ${tools.broken}`)
    if (tools.length === 0) return yield* userError(`${file.value}: is an empty list; expected tools`)
    const use: ToolUse | { readonly broken: string } = toolUse(tokenizer, tools)
    return "broken" in use ? yield* userError(`--tools: ${use.broken}`) : use
  })

/** What the JSON Schema in a file allows; undefined: none is given. */
export const schemaConstraint = (file: Option.Option<string>, tokenizer: CausalTokenizer) =>
  Effect.gen(function* () {
    if (Option.isNone(file)) return undefined
    const schema = yield* readJsonFile(file.value)
    const constraint: Constraint | { readonly broken: ReadonlyArray<string> } = constraintOf(
      { kind: "json", schema },
      tokenizer
    )
    if ("broken" in constraint)
      return yield* userError(constraint.broken.map((one) => `${file.value}: ${one}`).join("\n"))
    return constraint
  })

/** A call as a line: `set_light {"room": "kitchen"}`. */
export const callLine = ({ name, arguments: own }: ToolCall): string => `→ ${name} ${JSON.stringify(own)}\n`
