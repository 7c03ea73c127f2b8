/** Tools, calls and results in rows: every form in which data sets write them is the same conversation, and what is wrong has a sentence. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { CausalData } from "../../../../schemas/index.ts"
import { openCausal } from "../../../../src/data/causal/index.ts"
import { type CausalContent, ignored, type Message, type Tool } from "../../../../src/data/causal/row.ts"
import { isBroken } from "../../../../src/data/columns.ts"
import type { CausalTokenizer } from "../../../../src/tensors/rows.ts"
import { failureOf, run, temporaryFiles } from "../files.ts"
import { goldenTemplates } from "./chat-goldens.ts"
import { section } from "./sections.ts"
import { smollm2 } from "./smollm2.ts"

const { jsonlOf } = temporaryFiles()

/** Hermes' form, ChatML; reasoning, tools and results are written. */
const hermes = [
  "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}",
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}",
  "{{ m.content or '' }}{% for call in m.tool_calls or [] %}",
  '<tool_call>{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}',
  "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
].join("")
const tokenizer: CausalTokenizer = { ...smollm2, chatTemplate: hermes }

const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } }
}
const user = { role: "user", content: "Weather in SF and LA?" }
const result = { role: "tool", tool_call_id: "c1", content: "sun" }
const answer = { role: "assistant", content: "Sun." }
const openaiCall = (args: unknown, id = "c1", name = "weather") => ({
  id,
  type: "function",
  function: { name, arguments: args }
})
const calling = (...calls: ReadonlyArray<object>) => ({ role: "assistant", content: null, tool_calls: calls })

const open = (row: object, more: object = {}, own = tokenizer) =>
  openCausal(section({ format: "chat", train: jsonlOf([row]), ...more } as typeof CausalData.Encoded), 0, own)

const contentOf = async (row: object, more: object = {}) => {
  const [read] = await run(Effect.flatMap(open(row, more), ({ splits }) => splits.train.read([0])))
  return read!.content as Extract<CausalContent, { readonly kind: "chat" }>
}

const call = { id: "c1", name: "weather", arguments: { city: "SF" } }

describe("one conversation, however it is written", () => {
  const wanted: ReadonlyArray<Message> = [
    user,
    { role: "assistant", content: null, calls: [call] },
    { role: "tool", content: "sun", call: "c1" },
    answer
  ]
  const rows: Readonly<Record<string, readonly [row: object, more?: object]>> = {
    "OpenAI's: arguments as JSON text": [
      { messages: [user, calling(openaiCall('{"city": "SF"}')), result, answer], tools: [weather] }
    ],
    "Hugging Face's: arguments as an object": [
      { messages: [user, calling(openaiCall({ city: "SF" })), result, answer], tools: [weather] }
    ],
    "a column of the plan's, its tools as JSON text": [
      {
        messages: [user, calling(openaiCall('{"city": "SF"}')), result, answer],
        functions_json: JSON.stringify([weather.function])
      },
      { tools: "functions_json" }
    ],
    "null in the place of what is absent, as tables have it": [
      {
        messages: [
          { ...user, tool_calls: null, weight: null },
          { ...calling(openaiCall('{"city": "SF"}')), tool_call_id: null },
          { ...result, tool_calls: [] },
          { ...answer, tool_calls: null }
        ],
        tools: [weather],
        parallel_tool_calls: null
      }
    ]
  }
  test.each(Object.entries(rows))("%s", async (_, [row, more]) => {
    expect(await contentOf(row, more)).toEqual({ kind: "chat", messages: wanted, tools: [weather as Tool] })
  })

  const withoutId = [
    user,
    { role: "assistant", content: null, calls: [{ name: "weather", arguments: { city: "SF" } }] },
    { role: "tool", content: "sun" },
    answer
  ]

  test("ShareGPT's: a call as JSON text, tools as JSON text", async () => {
    const value = '{"name": "weather", "arguments": {"city": "SF"}}'
    const row = {
      conversations: [
        { from: "human", value: user.content },
        { from: "function_call", value },
        { from: "observation", value: "sun" },
        { from: "gpt", value: answer.content }
      ],
      tools: JSON.stringify([weather.function])
    }
    expect(await contentOf(row, { mapping: "sharegpt" })).toMatchObject({ messages: withoutId, tools: [weather] })
  })

  test("OpenAI's older one: function_call, role function", async () => {
    const messages = [
      user,
      { role: "assistant", content: null, function_call: { name: "weather", arguments: '{"city": "SF"}' } },
      { role: "function", name: "weather", content: "sun" },
      answer
    ]
    expect(await contentOf({ messages, functions: [weather.function] })).toMatchObject({
      messages: [withoutId[0], withoutId[1], { role: "tool", name: "weather", content: "sun" }, answer],
      tools: [weather]
    })
  })

  test("the template has arguments as an object: nothing is a text within a text", async () => {
    const row = { messages: [user, calling(openaiCall('{"city": "SF \\"é\\""}')), result, answer], tools: [weather] }
    const opened = await run(Effect.flatMap(open(row), ({ sample }) => sample()))
    const text = opened.runs.map((piece) => (piece.trained ? `⟦${piece.text}⟧` : piece.text)).join("")
    expect(text).toBe(
      [
        `<|im_start|>system\n${'{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}'}\n<|im_end|>`,
        "<|im_start|>user\nWeather in SF and LA?<|im_end|>",
        '<|im_start|>assistant\n⟦<tool_call>{"name": "weather", "arguments": {"city": "SF \\"é\\""}}</tool_call><|im_end|>⟧',
        "<|im_start|>tool\nsun<|im_end|>",
        "<|im_start|>assistant\n⟦Sun.<|im_end|>⟧",
        ""
      ].join("\n")
    )
  })
})

describe("what would be learned wrongly is an error with its row and field", () => {
  const one = (message: object, more: object = {}) => ({
    messages: [user, message, result, answer],
    tools: [weather],
    ...more
  })
  const wrong: Readonly<Record<string, readonly [row: object, sentence: string, more?: object]>> = {
    "arguments that are not JSON": [
      one(calling(openaiCall("{city: SF}"))),
      "message 2: tool_calls[0].function.arguments is not JSON"
    ],
    "arguments that are no object": [
      one(calling(openaiCall('["SF"]'))),
      "message 2: tool_calls[0].function.arguments is a list, expected a JSON object"
    ],
    "a number that loses digits": [
      one(calling(openaiCall('{"id": 12345678901234567890}'))),
      "message 2: tool_calls[0].function.arguments has the number 12345678901234567000, which loses digits; write it as a string"
    ],
    "a call without a name": [
      one(calling({ id: "c1", type: "function", function: { arguments: "{}" } })),
      "message 2: tool_calls[0].function has no name"
    ],
    "a call to a tool that is not declared": [
      one(calling(openaiCall("{}", "c1", "whether"))),
      'message 2: calls "whether", which is not among the row\'s tools (weather; did you mean "weather"?)'
    ],
    "a result without its call": [
      { messages: [user, calling(openaiCall("{}", "c2")), result, answer], tools: [weather] },
      'message 3: tool_call_id "c1" does not match an earlier call'
    ],
    "a result before any call": [
      { messages: [user, { role: "tool", content: "sun" }, answer] },
      "message 2: is a tool's result without an earlier call"
    ],
    "a second result for one call": [
      { messages: [user, calling(openaiCall("{}")), result, result, answer], tools: [weather] },
      'message 4: tool_call_id "c1" does not match an earlier call'
    ],
    "parallel calls where the row excludes them": [
      one(calling(openaiCall("{}"), openaiCall("{}", "c2")), { parallel_tool_calls: false }),
      "message 2: has 2 calls, and parallel_tool_calls is false"
    ],
    "an image": [
      one({ role: "assistant", content: [{ type: "image_url", image_url: { url: "a.png" } }] }),
      "message 2: content has a part that is not a text"
    ],
    "calls of the user": [
      { messages: [{ ...user, tool_calls: [openaiCall("{}")] }, answer] },
      "message 1: a message of the user has calls, which only messages of the assistant can have"
    ],
    "another weight": [one({ ...answer, weight: 0.5 }), "message 2: weight is 0.5, expected 0 or 1"],
    "nothing but context": [
      { messages: [user, { ...answer, weight: 0 }] },
      "every message of the assistant has weight 0, so no token is trained on"
    ],
    "two tools of one name": [
      { messages: [user, answer], tools: [weather, weather] },
      '"tools" has the tool "weather" twice'
    ],
    "a hole of a table": [
      {
        messages: [user, answer],
        tools: [{ ...weather, function: { name: "w", parameters: { properties: { city: null } } } }]
      },
      '"tools"[0].function.parameters.properties.city is null; tables add null where rows have different keys: store the column as JSON text'
    ]
  }
  test.each(Object.entries(wrong))("%s", async (_, [row, sentence, more]) => {
    expect(await failureOf(open(row, more))).toStartWith(`rows.jsonl:1: ${sentence}`)
  })

  const lost: Readonly<Record<string, readonly [row: object, part: string]>> = {
    "tools that the template does not write": [{ messages: [user, answer], tools: [weather] }, 'the tool "weather"'],
    "calls that it does not write": [
      { messages: [user, calling(openaiCall("{}")), { role: "tool", content: "sun" }, answer] },
      'the call of "weather" of message 2'
    ],
    "reasoning that it does not write": [
      { messages: [user, { ...answer, reasoning_content: "SF is sunny." }] },
      "the reasoning of message 2"
    ],
    "a role that it does not write": [
      { messages: [user, { role: "developer", content: "Be brief." }, answer] },
      "the content of message 2 (developer)"
    ]
  }
  test.each(Object.entries(lost))("%s", async (_, [row, part]) => {
    const silent =
      "{% for m in messages %}{% if m.role != 'developer' %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    expect(await failureOf(open(row, {}, { ...smollm2, chatTemplate: silent }))).toStartWith(
      `rows.jsonl:1: the chat template omits ${part}, so the model would never see it; `
    )
  })
})

describe("what is learned", () => {
  const talk = {
    messages: [
      user,
      { role: "assistant", content: "Which SF?", weight: 0 },
      { role: "user", content: "California." },
      { role: "assistant", content: "Sun.", thinking: "It is there." }
    ]
  }
  /** The learned tokens of each example. */
  const learned = (more: object = {}, row: object = talk, own = tokenizer) =>
    run(
      Effect.gen(function* () {
        const { splits } = yield* open(row, more, own)
        const sequences = splits.train.encode((yield* splits.train.read([0]))[0]!.content)
        if (isBroken(sequences)) throw new Error(sequences.broken)
        return sequences.map(({ ids, labels }) => {
          const asked = [...ids].filter((_, t) => t > 0 && labels[t - 1] !== ignored)
          return smollm2.decode(asked, { special: true })
        })
      })
    )

  test("messages of weight 0 are context", async () => {
    expect(await learned()).toEqual(["<think>It is there.</think>Sun.<|im_end|>"])
    const [all] = await learned({ lossOn: "all" })
    expect(all).not.toContain("Which SF?")
    expect(all).toContain("California.")
  })

  test("reasoning is dropped, as a field and within the text", async () => {
    expect(await learned({ reasoning: "drop" })).toEqual(["Sun.<|im_end|>"])
    const within = { messages: [user, { role: "assistant", content: "<think>\nHm.\n</think>\n\nSun." }] }
    expect(await learned({ reasoning: "drop" }, within)).toEqual(["Sun.<|im_end|>"])
    expect(await learned({}, within)).toEqual(["<think>\nHm.\n</think>\n\nSun.<|im_end|>"])
  })

  const two = {
    messages: [user, { role: "assistant", content: "One." }, user, { role: "assistant", content: "Two." }]
  }

  test("the last turn, or each apart", async () => {
    expect(await learned({}, two)).toEqual(["One.<|im_end|>Two.<|im_end|>"])
    expect(await learned({ lossOn: "last" }, two)).toEqual(["Two.<|im_end|>"])
    expect(await learned({ turns: "apart" }, two)).toEqual(["One.<|im_end|>", "Two.<|im_end|>"])
    const marked = hermes
      .replace(
        "{% if m.reasoning_content %}",
        "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{% if m.reasoning_content %}"
      )
      .replace("<|im_end|>\n{% endfor %}{% if add", "<|im_end|>\n{% endif %}{% endfor %}{% if add")
    const withTags = (more: object, row: object) => learned(more, row, { ...smollm2, chatTemplate: marked })
    expect(await withTags({}, two)).toEqual(["One.<|im_end|>Two.<|im_end|>"])
    expect(await withTags({ lossOn: "last" }, two)).toEqual(["Two.<|im_end|>"])
    expect(await withTags({ turns: "apart" }, two)).toEqual(["One.<|im_end|>", "Two.<|im_end|>"])
    const context = { messages: two.messages.map((message, i) => (i === 1 ? { ...message, weight: 0 } : message)) }
    expect(await withTags({}, context)).toEqual(["Two.<|im_end|>"])
  })
})

describe("conversations that a plan makes of columns", () => {
  const row = { question: "2+2?", answer: 4, level: "easy" }
  const messages = [
    { role: "system", content: "Level: {level}. Write {{n}}." },
    { role: "user", content: "question" },
    { role: "assistant", content: "The answer is {answer}." }
  ]

  test("a column's name is the column, {name} its value, {{ a brace", async () => {
    expect(await contentOf(row, { messages })).toEqual({
      kind: "chat",
      messages: [
        { role: "system", content: "Level: easy. Write {n}." },
        { role: "user", content: "2+2?" },
        { role: "assistant", content: "The answer is 4." }
      ]
    })
  })

  test("a value is substituted once: braces in it stay", async () => {
    const { messages: read } = await contentOf({ ...row, question: "{answer}" }, { messages })
    expect(read[1]!.content).toBe("{answer}")
  })

  test("unknown names are errors", async () => {
    const wrong = [{ role: "user", content: "{querstion}" }, messages[2]!]
    expect(await failureOf(open(row, { messages: wrong }))).toBe(
      'rows.jsonl:1: message 1: no column "querstion" (found: question, answer, level; did you mean "question"?)'
    )
  })

  test("a completion's prompt is a text with columns in it", async () => {
    const train = jsonlOf([row])
    const sectionOf = {
      format: "completion",
      train,
      prompt: "Question: {question}\nAnswer: ",
      completion: "{answer}"
    } as const
    const [read] = await run(
      Effect.flatMap(openCausal(section(sectionOf), 0, smollm2), ({ splits }) => splits.train.read([0]))
    )
    expect(read!.content).toEqual({ kind: "completion", prompt: "Question: 2+2?\nAnswer: ", completion: "4" })
  })
})

describe("rows that other tools train on, with the templates of published models", () => {
  // from the documentation of mlx-lm, its tool shortened
  const weatherRow = {
    messages: [
      { role: "user", content: "What is the weather in San Francisco?" },
      {
        role: "assistant",
        tool_calls: [
          {
            id: "call_id",
            type: "function",
            function: {
              name: "get_current_weather",
              arguments: '{"location": "San Francisco, USA", "format": "celsius"}'
            }
          }
        ]
      }
    ],
    tools: [
      {
        type: "function",
        function: {
          name: "get_current_weather",
          parameters: {
            type: "object",
            properties: { location: { type: "string" }, format: { type: "string", enum: ["celsius", "fahrenheit"] } }
          }
        }
      }
    ]
  }
  const template = (name: string) => goldenTemplates.find((one) => one.name === name)!.source
  const sampleOf = async (row: object, name: string) => {
    const own = { ...smollm2, chatTemplate: template(name), specialTokens: { ...smollm2.specialTokens, bos_token: "" } }
    const { runs } = await run(Effect.flatMap(open(row, { maxLength: 4096 }, own), ({ sample }) => sample()))
    return runs.map((piece) => (piece.trained ? `⟦${piece.text}⟧` : piece.text)).join("")
  }

  test.each([
    [
      "qwen2_5",
      '⟦<tool_call>\n{"name": "get_current_weather", "arguments": {"location": "San Francisco, USA", "format": "celsius"}}\n</tool_call><|im_end|>⟧'
    ],
    [
      "qwen3",
      '⟦<think>\n\n</think>\n\n<tool_call>\n{"name": "get_current_weather", "arguments": {"location": "San Francisco, USA", "format": "celsius"}}\n</tool_call><|im_end|>⟧'
    ]
  ])("%s: the tool is seen, and the arguments are an object", async (name, turn) => {
    const text = await sampleOf(weatherRow, name)
    expect(text).toContain(turn)
    expect(text.indexOf('"get_current_weather"')).toBeLessThan(text.indexOf("What is the weather"))
  })

  test("qwen3: a conversation of several turns and one with tools are learned turn by turn", async () => {
    const own = { ...smollm2, chatTemplate: template("qwen3") }
    const say = (role: string, content: string, more: object = {}) => ({ role, content, ...more })
    const rows = [
      [
        say("user", "1+1?"),
        say("assistant", "2", { reasoning_content: "Add." }),
        say("user", "2+2?"),
        say("assistant", "4")
      ],
      [...weatherRow.messages, { role: "tool", tool_call_id: "call_id", content: "sun" }, say("assistant", "Sun.")]
    ]
    for (const messages of rows) {
      const turns = await run(
        Effect.gen(function* () {
          const { splits } = yield* open({ ...weatherRow, messages }, { maxLength: 4096 }, own)
          const sequences = splits.train.encode((yield* splits.train.read([0]))[0]!.content)
          if (isBroken(sequences)) throw new Error(sequences.broken)
          return sequences.length
        })
      )
      expect(turns).toBe(2)
    }
  })
})
