/**
 * Makes the rows of the example, in OpenAI's form for fine-tuning: what a user says, three or four tools, and the calls that are right.
 *
 *   bun examples/tools/make.ts
 *
 * Of each file 70 % of the rows ask for one call and 10 % for two at once; 10 % are an exchange up to the answer that follows the results; 10 % need
 * no call. Sentences and values of validation and test do not occur in training, which is checked, as is that every call fits its tool.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Random, randomStream } from "../../src/numbers/random.ts"
import { type CallSentence, declined, outcomes, parallel, requests, type Sentences, talk } from "./sentences.ts"
import declared from "./tools.json" with { type: "json" }
import { unseenValues, type Value, valuesOf } from "./values.ts"

const sizes = { train: 420, validation: 40, test: 100 } as const
type File = keyof typeof sizes

/** Characters of a row, of which the template and SmolLM2 make 480 tokens at most: the memory of a step grows with them. */
const longest = 1_150

interface Schema {
  readonly type: string
  readonly enum?: ReadonlyArray<string>
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
}
interface Tool {
  readonly function: { readonly name: string; readonly parameters: Schema }
}
type Fields = Readonly<Record<string, unknown>>
interface Call {
  readonly name: string
  readonly arguments: Fields
}
interface Message extends Fields {
  readonly role: string
  readonly content?: string
}
interface Row {
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<Tool>
}

const tools: ReadonlyArray<Tool> = declared
const toolOf = (name: string): Tool => tools.find((tool) => tool.function.name === name)!
/** tools.json has five tools of a home, five of a calendar, five of a shop */
const domainOf = (name: string): number => Math.floor(tools.indexOf(toolOf(name)) / 5)

const systems = [
  "You are an assistant. Be brief.",
  "You help with the home, the calendar and shopping.",
  "You are a friendly assistant who answers in few words."
]

const fail = (reason: string): never => {
  throw new Error(reason)
}

const shuffled = <T>(values: ReadonlyArray<T>, random: Random): ReadonlyArray<T> => {
  const order = [...values]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random())
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

const pick = <T>(values: ReadonlyArray<T>, random: Random): T => values[Math.floor(values.length * random())]!

/** Goes round and round through shuffled values, so that all occur equally often. */
const dealer = <T>(values: ReadonlyArray<T>, random: Random): (() => T) => {
  const order = shuffled(values, random)
  let next = 0
  return () => order[next++ % order.length]!
}

const slots = /\{(\w+?)(\d?)\}/g
type Drawn = ReadonlyMap<string, Value>

/** A value for each slot of a text, no value twice. */
const drawn = (text: string, training: boolean, random: Random, from: Drawn = new Map()): Drawn => {
  const values = new Map(from)
  for (const [, slot, digit] of text.matchAll(slots)) {
    if (values.has(slot! + digit)) continue
    const taken = new Set([...values.values()].map(({ said }) => said))
    values.set(
      slot! + digit,
      pick(
        valuesOf(slot!, training).filter(({ said }) => !taken.has(said)),
        random
      )
    )
  }
  return values
}

const filled = (text: string, values: Drawn, as: keyof Value): string => {
  const written = text.replace(slots, (_, slot: string, digit: string) => String(values.get(slot + digit)![as]))
  return written.charAt(0).toUpperCase() + written.slice(1)
}

/** Parameters whose values sentences call otherwise. */
const slotOf: Readonly<Record<string, string>> = { order_id: "order", query: "product", max_price: "price" }

/** What a sentence says of a tool's parameters, in their order. `call`: 1 or 2 of a sentence with two calls. */
const argumentsOf = (schema: Schema, values: Drawn, call: number, implied: Fields = {}): Fields =>
  Object.fromEntries(
    Object.entries(schema.properties!).flatMap(([name, property]) => {
      const slot = slotOf[name] ?? name
      const nested = property.properties && argumentsOf(property, values, call)
      const value = nested ?? implied[name] ?? (values.get(`${slot}${call}`) ?? values.get(slot))?.meant
      return value === undefined ? [] : [[name, value]]
    })
  )

/** Throws unless a call fits its tool and the text has its strings, or their time of day. */
const checkCall = ({ name, arguments: given }: Call, schema: Schema, text: string): void => {
  const missing = schema.required!.filter((key) => given[key] === undefined)
  if (missing.length > 0) fail(`${name}: no ${missing} in "${text}"`)
  for (const [key, property] of Object.entries(schema.properties!)) {
    const value = given[key]
    if (value === undefined) continue
    const type = Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value
    if (type !== property.type || property.enum?.includes(value as string) === false)
      fail(`${name}: ${key} is ${value}`)
    if (property.properties) checkCall({ name, arguments: value as Fields }, property, text)
    const said =
      property.enum || /^\d\d:\d\d$/.test(String(value)) ? [] : type === "array" ? (value as [string]) : [value]
    for (const part of said) {
      if (typeof part === "string" && !text.includes(part)) fail(`${name}: ${key} "${part}" is not in "${text}"`)
    }
  }
}

interface Request {
  readonly text: string
  readonly calls: ReadonlyArray<Call>
  readonly values: Drawn
}

const requestOf = ([text, ...calls]: CallSentence, training: boolean, random: Random): Request => {
  const values = drawn(text, training, random)
  const said = filled(text, values, "said")
  return {
    text: said,
    values,
    calls: calls.map(([name, implied = {}], i) => {
      const { parameters } = toolOf(name).function
      const unknown = Object.keys(implied).filter((key) => parameters.properties![key] === undefined)
      if (unknown.length > 0) fail(`${name} has no ${unknown}`)
      const call = { name, arguments: argumentsOf(parameters, values, i + 1, implied) }
      checkCall(call, parameters, said)
      return call
    })
  }
}

const calling = (calls: ReadonlyArray<Call>): Message => ({
  role: "assistant",
  tool_calls: calls.map((call, i) => ({
    id: `call_${i + 1}`,
    type: "function",
    function: { name: call.name, arguments: JSON.stringify(call.arguments) }
  }))
})

/** Results of calls, and the answer that follows them. */
const exchange = ({ calls, values }: Request, training: boolean, random: Random): ReadonlyArray<Message> => {
  const ends = calls.map(({ name, arguments: given }, i) => {
    const [result, answer] = pick(outcomes[name]!, random)
    const known = new Map<string, Value>()
    for (const [slot, value] of values) known.set(slot.replace(String(i + 1), ""), value)
    for (const [slot, meant] of Object.entries(given)) known.set(slot, { said: String(meant), meant })
    const all = drawn(result + answer, training, random, known)
    return {
      content: result.replace(slots, (_, slot: string) => String(all.get(slot)!.meant)),
      answer: filled(answer, all, "meant")
    }
  })
  return [
    calling(calls),
    ...ends.map(({ content }, i) => ({ role: "tool", tool_call_id: `call_${i + 1}`, content })),
    { role: "assistant", content: ends.map(({ answer }) => answer).join(" ") }
  ]
}

const rowOf = (
  text: string,
  answer: ReadonlyArray<Message>,
  right: ReadonlyArray<string>,
  random: Random,
  others: ReadonlyArray<Tool> = tools
): Row => {
  const chosen = [...new Set(right)].map(toolOf)
  const wrong = others.filter((tool) => !chosen.includes(tool))
  const system = random() < 0.15 ? [{ role: "system", content: pick(systems, random) }] : []
  const messages: ReadonlyArray<Message> = [...system, { role: "user", content: text }, ...answer]
  for (let tries = 0; tries < 100; tries++) {
    const size = random() < 0.2 ? 4 : 3
    const row = {
      messages,
      tools: shuffled([...chosen, ...shuffled(wrong, random).slice(0, size - chosen.length)], random)
    }
    if (
      JSON.stringify([row.tools, messages.map((message) => message.content ?? message.tool_calls)]).length <= longest
    ) {
      return row
    }
  }
  return fail(`"${text}" leaves no room for its tools`)
}

const rowsOf = (file: File): ReadonlyArray<Row> => {
  const training = file === "train"
  const random = randomStream(0, "tools", file)
  const tenth = sizes[file] / 10
  const single = Object.entries(requests).map(([name, own]) => ({
    name,
    next: dealer(
      own[file].map(([text, implied = {}]): CallSentence => [text, [name, implied]]),
      random
    )
  }))
  const used = new Set<string>()
  /** Draws until the text is new. */
  const asked = (next: () => CallSentence): Request => {
    for (let tries = 0; tries < 100; tries++) {
      const request = requestOf(next(), training, random)
      if (used.has(request.text)) continue
      used.add(request.text)
      return request
    }
    return fail(`${file}: too few sentences`)
  }
  const times = (count: number, row: (i: number) => Row) => Array.from({ length: count }, (_, i) => row(i))
  const names = ({ calls }: Request) => calls.map(({ name }) => name)

  const one = dealer(single, random)
  const two = dealer(parallel[file], random)
  const withOutcome = dealer(
    single.filter(({ name }) => outcomes[name]),
    random
  )
  const twoWithOutcome = dealer(
    parallel[file].filter(([, ...calls]) => calls.every(([name]) => outcomes[name])),
    random
  )
  const refused = dealer(single, random)
  const rows = [
    ...times(7 * tenth, () => {
      const request = asked(one().next)
      return rowOf(request.text, [calling(request.calls)], names(request), random)
    }),
    ...times(tenth, () => {
      const request = asked(two)
      return rowOf(request.text, [calling(request.calls)], names(request), random)
    }),
    ...times(tenth, (i) => {
      const request = asked(i % 4 === 0 ? twoWithOutcome : withOutcome().next)
      return rowOf(request.text, exchange(request, training, random), names(request), random)
    }),
    ...talk[file].map(([text, answer]) => rowOf(text, [{ role: "assistant", content: answer }], [], random)),
    ...times(tenth - talk[file].length, () => {
      const { name, next } = refused()
      const elsewhere = tools.filter((tool) => domainOf(tool.function.name) !== domainOf(name))
      return rowOf(asked(next).text, [{ role: "assistant", content: declined }], [], random, elsewhere)
    })
  ]
  return shuffled(rows, random)
}

const textOf = ({ messages }: Row): string => messages.find(({ role }) => role === "user")!.content!

const sentencesOf = (file: File): ReadonlyArray<string> =>
  [...Object.values<Sentences<readonly [string, ...ReadonlyArray<unknown>]>>(requests), parallel, talk].flatMap((own) =>
    own[file].map(([text]) => text)
  )

const quoted = (text: string) => text.replace(/[.*+?^$()|[\]\\]/g, "\\$&")

/** Throws where a text of one file is a sentence of another, or where training says a value that it must not. */
const checkApart = (rows: Readonly<Record<File, ReadonlyArray<Row>>>): void => {
  const files = Object.keys(sizes) as ReadonlyArray<File>
  for (const file of files) {
    for (const other of files.filter((name) => name !== file)) {
      for (const sentence of sentencesOf(other)) {
        const form = new RegExp(`^${quoted(sentence).replace(/\{\w+\}/g, ".+")}$`, "i")
        const same = rows[file].find((row) => form.test(textOf(row)))
        if (same) fail(`"${textOf(same)}" of ${file} is a sentence of ${other}: ${sentence}`)
      }
    }
  }
  const trained = JSON.stringify(rows.train.map(({ messages }) => messages))
  for (const value of unseenValues) {
    if (new RegExp(`\\b${quoted(value)}\\b`).test(trained)) fail(`training says "${value}"`)
  }
}

const rows = { train: rowsOf("train"), validation: rowsOf("validation"), test: rowsOf("test") }
checkApart(rows)
for (const [file, own] of Object.entries(rows)) {
  writeFileSync(join(import.meta.dirname, `${file}.jsonl`), own.map((row) => `${JSON.stringify(row)}\n`).join(""))
}
