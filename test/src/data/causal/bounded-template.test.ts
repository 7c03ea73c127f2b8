/** Chat templates that would run for ever or write without end, each stopped by the limit that it meets first. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { limits, setLimits } from "../../../../src/boundary/index.ts"
import { chatTemplate } from "../../../../src/data/causal/chat-template.ts"
import { writtenTurns } from "../../../../src/data/causal/turns.ts"

const small = { "template-steps": 10_000, "template-characters": 20_000, "template-source": 20_000 } as const
const names = Object.keys(small) as ReadonlyArray<keyof typeof small>

beforeAll(() => setLimits(small))
afterAll(() => setLimits(Object.fromEntries(names.map((name) => [name, limits[name].default]))))

const messages = [{ role: "user", content: "a question" }]

const written = (source: string): string => {
  const template = chatTemplate(source, { specialTokens: {} })
  const rendering = "broken" in template ? template : template.render({ messages })
  return "broken" in rendering ? rendering.broken : rendering.text
}

const steps = "the chat template takes more than 10,000 steps (limit template-steps;"
const characters = "the chat template produces a text of more than 20,000 characters (limit template-characters;"
const depth = "the chat template nests deeper than 500 levels (limit template-depth;"

/** `ns.x` is a text of 8,192 a's */
const long = "{% set ns = namespace(x='a') %}{% for i in range(13) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
/** `ns.x` is [[[…], […]], [[…], […]]] of sixty levels, written out 2⁶⁰ numbers */
const nested = "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
const times = (count: number, body: string) => `{% for i in range(${count}) %}${body}{% endfor %}`

describe("steps:", () => {
  test.each([
    ["a macro that calls itself twice", "{% macro f(n) %}{{ f(n-1) ~ f(n-1) if n > 0 }}{% endmacro %}{{ f(40) }}"],
    ["range(1e9)", times(1e9, "")],
    ["loops in loops", times(1000, times(1000, "x"))],
    ["a list that doubles", `{% set ns = namespace(x=[1]) %}${times(60, "{% set ns.x = ns.x + ns.x %}")}`],
    ["nested lists written out", `${nested}{{ ns.x }}`],
    ["nested lists as JSON", `${nested}{{ ns.x|tojson }}`],
    ["nested lists as JSON with an option", `${nested}{{ ns.x|tojson(indent=1) }}`],
    ["nested lists compared", `${nested}{{ ns.x == 'a' }}`],
    ["nested lists joined", `${nested}{{ ns.x|join }}`],
    ["nested lists beside a text", `${nested}{{ 'a' ~ ns.x }}`],
    ["many pieces", `${long}${times(10, "{% set y = ns.x.split('a') %}")}`],
    ["a text reversed again and again", `${long}${times(100, "{% set y = ns.x[::-1] %}")}`],
    ["a text searched again and again", `${long}${times(2000, "{% set y = 'b' in ns.x %}")}`],
    ["a list searched again and again", `{% set l = range(1000) %}${times(2000, "{% set y = i in l %}")}`],
    ["a list sorted again and again", `{% set l = range(1000) %}${times(2000, "{% set y = l|sort %}")}`],
    [
      "a list as arguments",
      `{% macro f() %}{{ varargs|length }}{% endmacro %}{% set l = range(1000) %}${times(100, "{{ f(*l) }}")}`
    ],
    ["a loop over characters", `${long}${times(10, "{% for x in ns.x %}{% endfor %}")}`],
    ["the characters of a text, listed again and again", `${long}${times(20, "{% set y = ns.x|list %}")}`],
    ["the date", times(1000, "{{ strftime_now('%d') }}")],
    ["large macros defined again and again", times(1000, `{% macro f() %}${"{{ 1 }}".repeat(500)}{% endmacro %}`)],
    ["a block of text that grows", `${long}${times(9, `{% set y %}${"{{ ns.x }}".repeat(500)}{% endset %}`)}`]
  ])("%s", (_, source) => {
    expect(written(source)).toStartWith(steps)
  })
})

describe("characters:", () => {
  test.each([
    ["a text that doubles", long.replace("13", "60")],
    ["a text in place of every character", `${long}{{ ns.x.replace('a', ns.x) }}`],
    ["the same as a filter", `${long}{{ ns.x|replace('a', ns.x) }}`],
    ["the same by a function that was kept", `${long}{% set f = ns.x.replace %}{{ f('a', ns.x) }}`],
    ["the same by a computed name", `${long}{{ ns.x['re' ~ 'place']('', ns.x) }}`],
    ["the same with a list of arguments", `${long}{{ ns.x.replace(*['a', ns.x]) }}`],
    ["the same of a block", `${long}{% filter replace('a', ns.x) %}{{ ns.x }}{% endfilter %}`],
    ["a long separator", `${long}{{ range(100)|join(ns.x) }}`],
    ["a long separator of characters", `${long}{{ ns.x|join('    ') }}`],
    ["the same of a list", `${long}{{ [ns.x]|replace('a', ns.x) }}`],
    ["a wide indent", "{{ 'a\nb'|indent(1000000000) }}"],
    ["an indent of many lines", `${long}{{ ns.x|replace('a', '\n')|indent(100, true, true) }}`],
    ["JSON with a wide indent", "{{ [[1]]|tojson(indent=1000000000) }}"],
    ["JSON with long separators", `${long}{{ range(100)|tojson(separators=[ns.x, ns.x]) }}`],
    ["a list of long texts", `${long}{{ [ns.x, ns.x, ns.x] }}`]
  ])("%s", (_, source) => {
    expect(written(source)).toStartWith(characters)
  })
})

describe("levels:", () => {
  test.each([
    ["a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"],
    ["a namespace in itself", "{% set a = namespace() %}{% set a.x = a %}{{ a }}"],
    ["parentheses", `{{ ${"(".repeat(19_000)}`],
    ["lists", `{{ ${"[".repeat(1_000)}${"]".repeat(1_000)} }}`],
    ["blocks", "{% if x %}".repeat(600) + "{% endif %}".repeat(600)],
    ["a long sum", `{{ 1${"+1".repeat(600)} }}`]
  ])("%s", (_, source) => {
    expect(written(source)).toStartWith(depth)
  })
})

describe("a template that", () => {
  test("is too long, or is nothing but spaces", () => {
    expect(written("x".repeat(20_001))).toStartWith(
      "the chat template is longer than 20,000 characters (limit template-source;"
    )
    expect(written(" ".repeat(5_000))).toStartWith("the chat template has more spaces in a row than 4,096 characters")
  })

  test("ends early is told in words of the template", () => {
    expect(written("{% if x %}")).toBe("the chat template is not valid Jinja: it ends within a tag or a block")
  })

  test("refuses with a very long reason is cut", () => {
    expect(written(`${long}{{ raise_exception(ns.x) }}`).length).toBeLessThan(600)
  })
})

describe("bounds change nothing else:", () => {
  test.each([
    ["the first of nothing", "{{ []|first }}", ""],
    [
      "a loop that ends early",
      `${times(9, "{% if i == 2 %}{% break %}{% endif %}{{ i }}")}{{ 'a'.replace('a', 'b') }}`,
      "01b"
    ],
    ["ranges", "{{ range(3) }}{{ range(5, 1, -2) }}{{ range(2, 2) }}", "[0, 1, 2][5, 3][]"],
    ["filters", "{{ ['b', 'a']|sort|join('-') }}{{ 'a\nb'|indent(2) }}{{ {'a': [1]}|tojson }}", 'a-ba\n  b{"a": [1]}'],
    ["the year", "{{ strftime_now('%Y') }}", String(new Date().getFullYear())],
    ["what is said", "{% for m in messages %}{{ m.role ~ ': ' ~ m['content'] }}{% endfor %}", "user: a question"]
  ])("%s", (_, source, text) => {
    expect(written(source)).toBe(text)
  })
})

test("a turn that thousands of special tokens close is found in no time", () => {
  const closed = `{% for m in messages %}{{ m.content }}</s>{% endfor %}{% if messages|length == 2 %}${times(20_000, "<e>")}`
  const template = chatTemplate(`${closed}{% endif %}{% if add_generation_prompt %}{% endif %}`, { specialTokens: {} })
  if ("broken" in template) throw new Error(template.broken)
  const [question, answer] = [messages[0]!, { role: "assistant", content: "an answer" }]
  setLimits({ "template-characters": 1_000_000, "template-steps": 1_000_000 })
  const begun = performance.now()
  const turns = writtenTurns(
    template,
    { kind: "chat", messages: [question, answer, question, answer] },
    { lossOn: "assistant" },
    /<\/s>|<e>/g
  )
  expect(performance.now() - begun).toBeLessThan(4_000)
  const spans = [
    [14, 27],
    [41, 54]
  ]
  expect(turns).toMatchObject({ examples: [{ spans }] })
})
