/** Random schemas, each with a text of random tokens, which is a value of its schema by Ajv and by Effect. */
import Ajv from "ajv/dist/2020"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { constraintOf, isAllowed } from "../../../src/constraint/index.ts"
import { type Random, randomStream } from "../../../src/numbers/index.ts"
import { type RandomSchema, randomSchema } from "./random-schemas.ts"
import { eosToken, tiny } from "./tiny.ts"

const MOST_TOKENS = 300

/** A text of tokens that are drawn by random weights, fixed for a text, of those allowed; null: it did not end. */
const written = (schema: unknown, random: Random): string | null => {
  const constraint = constraintOf({ kind: "json", schema }, tiny)
  if ("broken" in constraint) throw new Error(`${JSON.stringify(schema)}: ${constraint.broken.join("; ")}`)
  const weights = Array.from({ length: tiny.vocabularySize }, () => random() ** 3)
  const ids: Array<number> = []
  let state = constraint.start
  while (ids.length < MOST_TOKENS && !constraint.mustEnd(state)) {
    const mask = constraint.mask(state)
    const allowed = weights.flatMap((weight, id) => {
      const may = id === eosToken ? constraint.mayEnd(state) : isAllowed(mask, id)
      return may ? [{ id, weight }] : []
    })
    let rest = random() * allowed.reduce((sum, { weight }) => sum + weight, 0)
    let at = 0
    while (at < allowed.length - 1 && rest >= allowed[at]!.weight) rest -= allowed[at++]!.weight
    const { id } = allowed[at]!
    if (id === eosToken) return tiny.decode(ids)
    ids.push(id)
    state = constraint.advance(state, id)!
  }
  return constraint.mustEnd(state) ? tiny.decode(ids) : null
}

const validators = new Ajv({
  strict: false,
  validateFormats: false,
  meta: false,
  validateSchema: false,
  addUsedSchema: false
})

const checked = ({ json, effect }: RandomSchema, text: string): "decoded" | "by Effect too" => {
  const value: unknown = JSON.parse(text)
  const valid = validators.compile(json as object)
  if (!valid(value)) throw new Error(`${JSON.stringify(json)} ${text}: ${validators.errorsText(valid.errors)}`)
  if (effect === null) return "decoded"
  const decoded = Schema.decodeUnknownResult(effect)(value)
  if (Result.isFailure(decoded)) throw new Error(`${JSON.stringify(json)} ${text}: ${decoded.failure.message}`)
  return "by Effect too"
}

/** Texts for the schemas of seeds; throws where one is not a value of its schema. */
export const randomTexts = (from: number, to: number): { readonly ended: number; readonly byEffect: number } => {
  let [ended, byEffect] = [0, 0]
  for (let seed = from; seed < to; seed++) {
    const random = randomStream(seed, "constraint", 0)
    const schema = randomSchema(random)
    const text = written(schema.json, random)
    if (text === null) continue
    ended++
    if (checked(schema, text) === "by Effect too") byEffect++
  }
  return { ended, byEffect }
}
