/** Answers as models write them, by form, and what they say: [answer, content, calls]; a call is [name, arguments] or [name, arguments, id]. */

type Call = readonly [name: string, given: Readonly<Record<string, unknown>>, id?: string]
export type Fixture = readonly [answer: string, content: string, ...calls: ReadonlyArray<Call>]

/** An answer without calls: all of it is content. */
const text = (answer: string): Fixture => [answer, answer]

const jsonArguments =
  '{"q": "a \\"b\\" } ] \\\\ \\u00e9\\n日本👍</tool_call>", "o": {"l": [1, {"x": null}], "t": true}}'
const jsonRead = { q: 'a "b" } ] \\ é\n日本👍</tool_call>', o: { l: [1, { x: null }], t: true } }
const pythonArguments = `q='a "b" } ] ) \\\\ \\' é\\n日本👍', o={"l": [1, -2.5, {'x': None}], 't': True, 'f': false}`
const pythonRead = { q: `a "b" } ] ) \\ ' é\n日本👍`, o: { l: [1, -2.5, { x: null }], t: true, f: false } }

const hermes = (call: string) => `<tool_call>\n${call}\n</tool_call>`
const oslo = '{"name": "weather", "arguments": {"city": "Oslo"}}'
const rome = '{"name": "weather", "arguments": {"city": "Rome"}}'
const weather = (city: string, id?: string): Call =>
  id === undefined ? ["weather", { city }] : ["weather", { city }, id]
const xml = (name: string, ...given: ReadonlyArray<readonly [string, string]>) =>
  `<tool_call>\n<function=${name}>\n${given.map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`).join("")}</function>\n</tool_call>`
const glm = (name: string, ...given: ReadonlyArray<readonly [string, string]>) =>
  `<tool_call>${name}\n${given.map(([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`).join("")}</tool_call>`
const deepseek = (...calls: ReadonlyArray<readonly [string, string]>) =>
  `<｜tool▁calls▁begin｜>${calls.map(([name, given]) => `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${given}\n\`\`\`<｜tool▁call▁end｜>`).join("\n")}<｜tool▁calls▁end｜>`

/** Lists of calls as JSON between two texts. */
const lists = (before: string, after: string): ReadonlyArray<Fixture> => [
  [`${before}[${oslo}]${after}`, "", weather("Oslo")],
  [`${before}[${oslo}, ${rome}]${after}`, "", weather("Oslo"), weather("Rome")],
  [`Both.\n${before}[\n  ${oslo},\n  ${rome}\n]${after}\n`, "Both.", weather("Oslo"), weather("Rome")],
  [`${before}[{"name": "f", "arguments": ${jsonArguments}}]${after} Done.`, "Done.", ["f", jsonRead]],
  [`${before}[{"arguments": {}, "name": "f"}]${after}`, "", ["f", {}]],
  text(`${before}[]${after}`),
  text(`${before}[${oslo}, ${rome}`),
  text(`${before}[${oslo}, {"name": "f"}]${after}`),
  text(`${before}[${oslo},]${after}`),
  text(`${before}${oslo}${after}`),
  text(`the word ${before} alone`)
]

const gemma = (opening: string, close: string, mark: string): ReadonlyArray<Fixture> => {
  const string = (value: string) => mark + value + mark
  const call = (name: string, given: string) => `${opening}call:${name}{${given}}${close}`
  const one = call("weather", `city:${string("Oslo")}`)
  return [
    [one, "", weather("Oslo")],
    [one + call("weather", `city:${string("Rome")}`), "", weather("Oslo"), weather("Rome")],
    [call("f", ""), "", ["f", {}]],
    [
      call("shop.search-2", `n:1,x:-2.5e-07,t:true,f:false,z:None,y:null`),
      "",
      ["shop.search-2", { n: 1, x: -2.5e-7, t: true, f: false, z: null, y: null }]
    ],
    [
      call("f", `q:${string('a "b" } ], {n:1} \\n 日本👍')},o:{l:[1,{x:${string("")}}],größe:[]}`),
      "",
      ["f", { q: 'a "b" } ], {n:1} \\n 日本👍', o: { l: [1, { x: "" }], größe: [] } }]
    ],
    [`I look.\n${one}\nThere.`, "I look.\nThere.", weather("Oslo")],
    [call("f", `a: ${string("x")}, ${string("b")}: 2`), "", ["f", { a: "x", b: 2 }]],
    text(`${opening}call:weather{city:${mark}Oslo`),
    text(`${opening}call:weather{city:Oslo}${close}`),
    text(`${opening}weather{}${close}`),
    [`${opening}call:f{a:}${close}${one}`, `${opening}call:f{a:}${close}`, weather("Oslo")],
    text(`${opening}call:f{a:1}`)
  ]
}

const pythonBlocks = (before: string, after: string): ReadonlyArray<Fixture> => [
  [`${before}[weather(city="Oslo")]${after}`, "", weather("Oslo")],
  [`${before}[weather(city='Oslo'), f()]${after}`, "", weather("Oslo"), ["f", {}]],
  [`${before}[f(${pythonArguments})]${after}`, "", ["f", pythonRead]],
  [
    `${before}[ shop.search(\n  n = 3,\n  s="\\x41\\u00e9\\U0001F600\\q\\/"\n) ]${after}`,
    "",
    ["shop.search", { n: 3, s: "Aé😀\\q/" }]
  ],
  [`${before}[f(größe="groß")]${after} Done.`, "Done.", ["f", { größe: "groß" }]],
  text(`${before}[]${after}`),
  text(`${before}[f("Oslo")]${after}`),
  text(`${before}[f(a=b)]${after}`),
  text(`${before}[f(a=1), g(`),
  text(`${before}[f(a=1]${after}`),
  text(`${before}[1f(a=1)]${after}`),
  text(`${before}[f(a='it's')]${after}`)
]

export const fixtures: Readonly<Record<string, ReadonlyArray<Fixture>>> = {
  hermes: [
    [hermes(oslo), "", weather("Oslo")],
    [`${hermes(oslo)}\n${hermes(rome)}`, "", weather("Oslo"), weather("Rome")],
    [`<think>\nWhich?\n</think>\n\n${hermes(oslo)}`, "<think>\nWhich?\n</think>", weather("Oslo")],
    [
      `One.\n${hermes(oslo)}\n\nTwo.\n${hermes(rome)}\nThree. `,
      "One.\n\nTwo.\nThree. ",
      weather("Oslo"),
      weather("Rome")
    ],
    [`<tool_call>${oslo}</tool_call>`, "", weather("Oslo")],
    [hermes(`{"name": "f", "arguments": ${jsonArguments}}`), "", ["f", jsonRead]],
    [hermes('{\n  "arguments": {},\n  "name": "f"\n}'), "", ["f", {}]],
    [hermes('{"id": "call_1", "type": "function", "name": "f", "arguments": {}}'), "", ["f", {}, "call_1"]],
    [
      hermes('{"name": "f", "arguments": {"__proto__": {"a": 1}, "a": 1e2}}'),
      "",
      ["f", JSON.parse('{"__proto__": {"a": 1}, "a": 100}')]
    ],
    text(" no call\n"),
    text(""),
    text(`<tool_call>\n${oslo}\n`),
    text(`<tool_call>\n${oslo.slice(0, 30)}`),
    text(hermes('{"name": "f", "arguments": "{\\"a\\": 1}"}')),
    text(hermes('{"name": "f", "arguments": [1]}')),
    text(hermes('{"name": "f"}')),
    text(hermes('{"name": "", "arguments": {}}')),
    text(hermes('{"name": "f", "arguments": {}, "reason": "it is asked"}')),
    text(hermes("{'name': 'f', 'arguments': {}}")),
    text(hermes('{"name": "f", "arguments": {"a": 01}}')),
    text(hermes('{"name": "f", "arguments": {"a": "line\nbreak"}}')),
    text(hermes('{"name": "f", "arguments": {"a": 1,}}')),
    text(hermes(`${oslo} and more`)),
    [`${hermes('{"name": }')}\n${hermes(oslo)}`, hermes('{"name": }'), weather("Oslo")],
    [`<tool_call>\n${hermes(oslo)}`, "<tool_call>", weather("Oslo")],
    [`Write <tool_call> and <tool\n${hermes(oslo)}<tool_`, "Write <tool_call> and <tool<tool_", weather("Oslo")]
  ],
  "qwen-xml": [
    [xml("weather", ["city", "Oslo"]), "", weather("Oslo")],
    [`${xml("weather", ["city", "Oslo"])}\n${xml("f")}`, "", weather("Oslo"), ["f", {}]],
    [`Look.\n\n${xml("weather", ["city", "Oslo"])}\nThere.`, "Look.\nThere.", weather("Oslo")],
    [xml("f", ["n", "3"], ["t", "True"], ["z", "null"], ["x", "-2.5"]), "", ["f", { n: 3, t: true, z: null, x: -2.5 }]],
    [xml("f", ["o", '{"l": [1, {"x": "}"}]}']), "", ["f", { o: { l: [1, { x: "}" }] } }]],
    [xml("f", ["code", '\nif a < b:\n\tprint("<b>👍")\n']), "", ["f", { code: '\nif a < b:\n\tprint("<b>👍")\n' }]],
    ["<tool_call><function=f><parameter=a> x </parameter></function></tool_call>", "", ["f", { a: " x " }]],
    [xml("f", ["e", ""]), "", ["f", { e: "" }]],
    text("<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n"),
    text("<tool_call>\n<function=f>\n<parameter=a>\n1\n</function>\n</tool_call>"),
    text("<tool_call>\n<function=>\n</function>\n</tool_call>"),
    text(hermes(oslo)),
    text(xml("f", ["a", "1"]).replace("</tool_call>", "and more"))
  ],
  glm: [
    [glm("weather", ["city", "Oslo"]), "", weather("Oslo")],
    [`\n${glm("weather", ["city", "Oslo"])}\n${glm("f")}`, "", weather("Oslo"), ["f", {}]],
    [`<think></think>\nLook.\n${glm("weather", ["city", "Oslo"])}`, "<think></think>\nLook.", weather("Oslo")],
    ["<tool_call>f<arg_key>n</arg_key><arg_value>3</arg_value></tool_call>", "", ["f", { n: 3 }]],
    [glm("f", ["o", '{"l": [1, "é👍"]}'], ["t", "true"]), "", ["f", { o: { l: [1, "é👍"] }, t: true }]],
    [glm("f", ["code", "\na < b\n "]), "", ["f", { code: "\na < b\n " }]],
    text("<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1"),
    text("<tool_call>f\n<arg_key>a</arg_key>\n</tool_call>"),
    text("<tool_call>f g\n</tool_call>"),
    text(hermes(oslo))
  ],
  mistral: [
    ...lists("[TOOL_CALLS] ", ""),
    ...lists("[TOOL_CALLS]", ""),
    [
      '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "VvvODy9mT"}]',
      "",
      weather("Oslo", "VvvODy9mT")
    ],
    text('[TOOL_CALLS]f[ARGS]{"a": 1}')
  ],
  "mistral-args": [
    ['[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}', "", weather("Oslo")],
    ['[TOOL_CALLS]weather[CALL_ID]VvvODy9mT[ARGS]{"city": "Oslo"}', "", weather("Oslo", "VvvODy9mT")],
    ['[TOOL_CALLS]weather{"city": "Oslo"}', "", weather("Oslo")],
    ['Both.[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]f[ARGS]{}', "Both.", weather("Oslo"), ["f", {}]],
    [`[TOOL_CALLS]shop.search[ARGS]${jsonArguments}\n`, "", ["shop.search", jsonRead]],
    ['[TOOL_CALLS]f[ARGS]{"a": 1} Done.', "Done.", ["f", { a: 1 }]],
    text('[TOOL_CALLS]f[ARGS]{"a": 1'),
    text("[TOOL_CALLS]f[ARGS][1]"),
    text("[TOOL_CALLS][ARGS]{}"),
    text('[TOOL_CALLS]f[CALL_ID][ARGS]{"a": 1}'),
    text(`[TOOL_CALLS] [${oslo}]`)
  ],
  phi: lists("<|tool_call|>", "<|/tool_call|>"),
  functools: lists("functools", ""),
  deepseek: [
    [deepseek(["weather", '{"city": "Oslo"}']), "", weather("Oslo")],
    [deepseek(["weather", '{"city": "Oslo"}'], ["f", "{}"]), "", weather("Oslo"), ["f", {}]],
    [`Look.${deepseek(["weather", '{"city": "Oslo"}'])}`, "Look.", weather("Oslo")],
    [`${deepseek(["shop.search", jsonArguments])}\n\nDone.`, "Done.", ["shop.search", jsonRead]],
    [deepseek(["f", '{\n  "a": "```"\n}']), "", ["f", { a: "```" }]],
    text(deepseek()),
    text(deepseek(["f", "{}"]).replace("<｜tool▁calls▁end｜>", "")),
    text(deepseek(["f", "{}"], ["g", "{a: 1}"])),
    text(deepseek(["f", "{}"]).replace("function<", "text<")),
    text(deepseek(["f", "[1]"]))
  ],
  gemma: gemma("<start_function_call>", "<end_function_call>", "<escape>"),
  gemma4: gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
  lfm2: [
    ...pythonBlocks("<|tool_call_start|>", "<|tool_call_end|>"),
    ['Look.<|tool_call_start|>[weather(city="Oslo")]<|tool_call_end|>\n', "Look.", weather("Oslo")],
    text('[weather(city="Oslo")]')
  ],
  "tool-code": [
    ...pythonBlocks("```tool_code\n", "\n```"),
    ['Look:\n```tool_code\nweather(city="Oslo")\n```', "Look:", weather("Oslo")],
    ['```tool_code\nweather(city="Oslo")\nf()\n```\nDone.', "Done.", weather("Oslo"), ["f", {}]],
    text("```tool_code\n```"),
    text("```tool_code\nprint(1)\n```"),
    text("```python\nf(a=1)\n```")
  ],
  "llama-json": [
    ['{"name": "weather", "parameters": {"city": "Oslo"}}', "", weather("Oslo")],
    [oslo, "", weather("Oslo")],
    ['\n<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}', "", weather("Oslo")],
    [
      '{"name": "weather", "parameters": {"city": "Oslo"}}; {"name": "f", "parameters": {}}',
      "",
      weather("Oslo"),
      ["f", {}]
    ],
    [
      '{"name": "weather", "parameters": {"city": "Oslo"}}\n{"name": "f", "parameters": {}}',
      "",
      weather("Oslo"),
      ["f", {}]
    ],
    [
      'Look.<|python_tag|>{"name": "f", "parameters": {}};{"name": "g", "parameters": {}}',
      "Look.",
      ["f", {}],
      ["g", {}]
    ],
    ['{"type": "function", "name": "f", "parameters": {}}', "", ["f", {}]],
    [
      `{"name": "f", "parameters": ${jsonArguments}} Done; {"name": "g", "parameters": {}}`,
      'Done; {"name": "g", "parameters": {}}',
      ["f", jsonRead]
    ],
    ['{"name": "f", "parameters": {}}; and more', "; and more", ["f", {}]],
    text('Sure: {"name": "f", "parameters": {}}'),
    text('{"name": "Ann", "age": 3}'),
    text('{"name": "Ann"}'),
    text('{"name": "f", "parameters": {}, "arguments": {}}'),
    text('{"name": "f", "parameters": {"a": 1}'),
    text("{} [] ; {"),
    text('<|python_tag|>print("x")')
  ],
  pythonic: [
    ...pythonBlocks("", ""),
    ...pythonBlocks("<|python_start|>", "<|python_end|>"),
    [' [weather(city="Oslo")]\n', "", weather("Oslo")],
    text('Look: [weather(city="Oslo")]'),
    text("[1] Ibsen, [2] Hamsun"),
    text("[see(above)](https://example.org)")
  ]
}
