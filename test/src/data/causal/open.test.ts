/** Sections opened on files of every kind: what they say, every broken row at once, and what is refused or told before training. */
import { describe, expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { CausalData } from "../../../../schemas/index.ts"
import { causalEvaluationBatches, openCausal } from "../../../../src/data/causal/index.ts"
import type { Message } from "../../../../src/data/causal/row.ts"
import { isBroken } from "../../../../src/data/columns.ts"
import type { CausalTokenizer } from "../../../../src/tensors/rows.ts"
import { failureOf, run, temporaryFiles } from "../files.ts"
import { section } from "./sections.ts"
import { goldenChats, markedTemplate, smollm2 } from "./smollm2.ts"

const { fileOf, jsonlOf } = temporaryFiles()
const parquet = (name: string) => join(import.meta.dir, "../../../golden/parquet", `${name}.parquet`)

const open = (input: typeof CausalData.Encoded, tokenizer: CausalTokenizer = smollm2) =>
  openCausal(section(input), 0, tokenizer)

const chat = (i: number): ReadonlyArray<Message> => [
  { role: "user", content: `Wie viel ist ${i} + ${i}? 😀` },
  { role: "assistant", content: `${2 * i}` }
]
const chats = Array.from({ length: 11 }, (_, i) => ({ messages: chat(i) }))
const lines = (rows: ReadonlyArray<unknown>) => rows.map((row) => JSON.stringify(row)).join("\n")
const csvOf = (rows: ReadonlyArray<ReadonlyArray<string>>) =>
  rows.map((row) => row.map((field) => `"${field.replaceAll('"', '""')}"`).join(",")).join("\r\n")

/** Everything that a section's training rows say. */
const contents = (input: typeof CausalData.Encoded) =>
  run(
    Effect.gen(function* () {
      const { splits } = yield* open(input)
      const backwards = Array.from({ length: splits.train.rows }, (_, i) => splits.train.rows - 1 - i)
      return (yield* splits.train.read(backwards)).toReversed()
    })
  )

describe("files", () => {
  const csv = csvOf([["id", "messages"], ...chats.map(({ messages }, i) => [`${i}`, JSON.stringify(messages)])])
  const files = {
    jsonl: fileOf("jsonl", lines(chats)),
    ndjson: fileOf("ndjson", lines(chats)),
    csv: fileOf("csv", csv),
    "jsonl.gz": fileOf("jsonl.gz", Bun.gzipSync(new TextEncoder().encode(lines(chats)))),
    "csv.gz": fileOf("csv.gz", Bun.gzipSync(new TextEncoder().encode(csv))),
    "parquet, not compressed": parquet("chats-none"),
    "parquet, snappy": parquet("chats-snappy"),
    "parquet, gzip": parquet("chats-gzip"),
    "parquet, zstd": parquet("chats-zstd"),
    "parquet, brotli": parquet("chats-brotli")
  }

  test.each(Object.entries(files))("%s: the same conversations, in any order", async (kind, train) => {
    const rows = await contents({ format: "chat", train })
    expect(rows.map(({ content }) => content)).toEqual(chats.map(({ messages }) => ({ kind: "chat", messages })))
    const lineOfFirst = kind.startsWith("csv") ? 2 : 1
    expect(rows.map(({ where }) => Number(/:(\d+)$/.exec(where)![1]))).toEqual(chats.map((_, i) => lineOfFirst + i))
  })

  test("what was unpacked for reading is gone when the data are closed, and has no name before", async () => {
    const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith("tfjs-lora-pro-rows-"))
    const before = left()
    await run(
      Effect.gen(function* () {
        const { splits } = yield* open({ format: "chat", train: files["jsonl.gz"] })
        if (process.platform !== "win32") expect(left()).toEqual(before)
        expect(yield* splits.train.read([3])).toHaveLength(1)
      })
    )
    expect(left()).toEqual(before)
  })

  test("what cannot be unpacked for want of a place is not called damaged", async () => {
    const { TMPDIR } = process.env
    process.env["TMPDIR"] = "/nowhere"
    const failure = await failureOf(open({ format: "chat", train: files["jsonl.gz"] }))
    if (TMPDIR === undefined) delete process.env["TMPDIR"]
    else process.env["TMPDIR"] = TMPDIR
    expect(failure).toStartWith("rows.jsonl.gz: cannot write its rows to the folder for temporary files, /nowhere: ")
  })

  test("unlike ones are refused with the reason", async () => {
    const train = fileOf("txt", "a")
    expect(await failureOf(open({ format: "text", train }))).toBe(
      "rows.txt: the extension .txt does not say which format the file has; expected .jsonl, .ndjson (one object per line), .json (a list of objects), .csv, .tsv, .conll, .iob2 or .bio (a word and its label per line), each also as .gz, or .parquet"
    )
    const noGzip = fileOf("jsonl.gz", "{}")
    expect(await failureOf(open({ format: "text", train: noGzip }))).toStartWith(
      "rows.jsonl.gz: cannot be unpacked as gzip: "
    )
    const whole = Bun.gzipSync(new TextEncoder().encode(lines(chats)))
    const cut = fileOf("jsonl.gz", whole.slice(0, whole.length - 20))
    expect(await failureOf(open({ format: "text", train: cut }))).toStartWith(
      "rows.jsonl.gz: cannot be unpacked as gzip: "
    )
    expect(await failureOf(open({ format: "text", train: fileOf("parquet", "PAR1 and no more") }))).toStartWith(
      "rows.parquet: cannot be read as parquet: "
    )
    expect(await failureOf(open({ format: "text", train: parquet("chats-snappy") }))).toEndWith(
      'chats-snappy.parquet: no column "text" (found: id, messages, source)'
    )
    expect(await failureOf(open({ format: "text", train: fileOf("jsonl.gz", Bun.gzipSync(new Uint8Array(0))) }))).toBe(
      "rows.jsonl.gz: the file is empty; at least one row is needed"
    )
  })
})

describe("mappings", () => {
  const wanted = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Add.\n\n2, 2" },
    { role: "assistant", content: "4" }
  ]

  test.each([
    ["openai", { messages: wanted }],
    [
      "openai",
      { messages: [wanted[0], { role: "user", content: [{ type: "text", text: "Add.\n\n2, 2" }] }, wanted[2]] }
    ],
    [
      "sharegpt",
      {
        conversations: [
          { from: "system", value: "Be brief." },
          { from: "human", value: "Add.\n\n2, 2" },
          { from: "gpt", value: "4" }
        ]
      }
    ],
    ["alpaca", { instruction: "Add.", input: "2, 2", output: "4", system: "Be brief." }]
  ] as const)("%s", async (mapping, row) => {
    const [found] = await contents({ format: "chat", train: jsonlOf([row]), mapping })
    expect(found!.content).toEqual({ kind: "chat", messages: wanted })
  })

  test("sharegpt: what tools answer", async () => {
    const conversations = [
      { from: "human", value: "Time?" },
      { from: "gpt", value: "<tool_call>clock</tool_call>" }, // a call within a text
      { from: "function", value: "noon" },
      { from: "gpt", value: "Noon." }
    ]
    const [found] = await contents({ format: "chat", train: jsonlOf([{ conversations }]), mapping: "sharegpt" })
    const roles = ["user", "assistant", "tool", "assistant"]
    expect(found!.content).toMatchObject({ messages: roles.map((role) => ({ role })) })
  })

  test("alpaca without input; a system message of the plan's own where a row has none", async () => {
    const rows = [
      { instruction: "Hi.", input: "", output: "Hello." },
      { instruction: "Hi.", output: "Ho.", system: "Own." }
    ]
    const found = await contents({ format: "chat", train: jsonlOf(rows), mapping: "alpaca", system: "Plan's." })
    const [user, assistant] = [
      { role: "user", content: "Hi." },
      { role: "assistant", content: "Hello." }
    ]
    expect(found.map(({ content }) => content)).toEqual([
      { kind: "chat", messages: [{ role: "system", content: "Plan's." }, user, assistant] },
      { kind: "chat", messages: [{ role: "system", content: "Own." }, user, { role: "assistant", content: "Ho." }] }
    ])
  })
})

describe("broken rows", () => {
  test("of conversations, all at once with their places", async () => {
    const user = { role: "user", content: "?" }
    const rows = [
      { messages: chat(1) },
      { messages: [] },
      { mesages: [] },
      { messages: "no JSON" },
      { messages: [{ role: "asistant", content: "a" }, 3] },
      { messages: [user] },
      { messages: [user, { role: "assistant", content: { text: "a" } }] },
      [1]
    ]
    expect((await failureOf(open({ format: "chat", train: jsonlOf(rows) }))).split("\n")).toEqual([
      "rows.jsonl: 7 problems:",
      "  rows.jsonl:2: the conversation has no message",
      '  rows.jsonl:3: no column "messages" (found: mesages; did you mean "mesages"?)',
      '  rows.jsonl:4: "messages" is not JSON; expected a list of messages as JSON',
      '  rows.jsonl:5: message 1: unknown role "asistant" (known: system, developer, user, assistant, tool; did you mean "assistant"?); message 2: found a number, expected an object with role and content',
      "  rows.jsonl:6: the conversation has no message of the assistant, so no token is trained on",
      "  rows.jsonl:7: message 2: content is an object, expected a string",
      "  rows.jsonl:8: found a list, expected an object"
    ])
  })

  test("of a parquet file: its rows count from 1", async () => {
    expect(
      (await failureOf(open({ format: "chat", train: parquet("broken") })))
        .replaceAll(/\S*broken/g, "broken")
        .split("\n")
    ).toEqual([
      "broken.parquet: 3 problems:",
      "  broken.parquet:2: the conversation has no message",
      '  broken.parquet:3: "messages" is null, expected a list of messages',
      '  broken.parquet:4: message 1: unknown role "alien" (known: system, developer, user, assistant, tool)'
    ])
  })

  test("of an unpacked file, of every file at once, and of completions and texts", async () => {
    const train = fileOf(
      "jsonl.gz",
      Bun.gzipSync(new TextEncoder().encode('{"prompt":"a","completion":" "}\n{"prompt":1}'))
    )
    const test = fileOf("csv", "prompt,completion\na,b,c")
    expect((await failureOf(open({ format: "completion", train, test }))).split("\n")).toEqual([
      "rows.jsonl.gz, rows.csv: 3 problems:",
      '  rows.jsonl.gz:1: "completion" is blank',
      '  rows.jsonl.gz:2: "prompt" is a number, expected a string; no column "completion" (found: prompt)',
      "  rows.csv:2: columns: found 3, expected 2 (prompt, completion); a text with commas needs quotes"
    ])
    expect(await failureOf(open({ format: "text", train: jsonlOf([{ txt: "a" }]) }))).toBe(
      'rows.jsonl:1: no column "text" (found: txt; did you mean "txt"?)'
    )
  })

  test("a conversation that the template refuses is one", async () => {
    const alternating =
      "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    const rows = [{ messages: chat(1) }, { messages: chat(1).toReversed() }]
    expect(
      await failureOf(open({ format: "chat", train: jsonlOf(rows) }, { ...smollm2, chatTemplate: alternating }))
    ).toBe("rows.jsonl:2: the chat template rejects the conversation: roles must alternate")
  })
})

test("a turn that the template changes once others follow is found in any row, and is an example of its own", async () => {
  const thinking =
    "{% for m in messages %}[{{ m.role }}]{% if loop.last %}{{ m.content }}{% else %}{{ m.content.split('</think>')[-1] }}{% endif %}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
  const said = (answer: string) => ({
    messages: [...chat(1), { role: "user", content: "Why?" }, { role: "assistant", content: answer }]
  })
  const thought = [chat(1)[0]!, { role: "assistant", content: "Hm</think>2" }, chat(2)[0]!, chat(2)[1]!]
  const rows = [...Array.from({ length: 900 }, (_, i) => said(`Because ${i}.`)), { messages: thought }]
  const opened = (all: ReadonlyArray<object>, turns?: "together" | "apart") =>
    open(
      { format: "chat", train: jsonlOf(all), ...(turns === undefined ? {} : { turns }) },
      { ...smollm2, chatTemplate: thinking }
    )
  const { splits, warnings } = await run(Effect.map(opened(rows), ({ splits, warnings }) => ({ splits, warnings })))
  expect(splits.train.several).toBe(true)
  expect(warnings).toEqual([
    "turns: each of the assistant's turns in 1 conversation is a separate example, after the prompt that generation uses, since the chat template changes message 2 or what precedes it once others follow (data.turns)"
  ])
  const apart = splits.train.encode({ kind: "chat", messages: thought })
  expect(isBroken(apart) || apart.map(({ ids }) => smollm2.decode([...ids], { special: true }))).toEqual([
    "[user]Wie viel ist 1 + 1? 😀<|im_end|>[assistant]Hm</think>2<|im_end|>",
    "[user]Wie viel ist 1 + 1? 😀<|im_end|>[assistant]2<|im_end|>[user]Wie viel ist 2 + 2? 😀<|im_end|>[assistant]4<|im_end|>"
  ])
  expect(await failureOf(opened(rows, "together"))).toBe(
    "rows.jsonl:901: the turns cannot be learned together: the chat template changes message 2 or what precedes it once others follow; remove data.turns, or set data.chatTemplate to another template"
  )
  const last = [...rows.slice(0, 900), said("Hm</think>Because.")] // it is the last turn, which is written unchanged
  expect(await run(Effect.map(opened(last), ({ splits }) => splits.train.several))).toBe(false)
})

describe("refused before weights are loaded", () => {
  const train = jsonlOf(chats)
  const refused = (chatTemplate: string | null, changes: Partial<CausalTokenizer> = {}) =>
    failureOf(open({ format: "chat", train }, { ...smollm2, chatTemplate, ...changes }))

  test("no chat template", async () => {
    expect(await refused(null)).toBe(
      'chat template: the checkpoint has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja); set data.chatTemplate, use a chat model, or set data.format to "completion"'
    )
  })

  test("a template that does not end the assistant's turn, or ends it where nothing is learned", async () => {
    const loop =
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    expect(await refused(loop)).toBe(
      'chat template: the chat template ends the assistant\'s turn with no special token (found "\\n" after it), so the model would never learn to stop'
    )
    const outside = markedTemplate.replace(
      "{{message['content'] + '<|im_end|>'}}{% endgeneration %}",
      "{{message['content']}}{% endgeneration %}<|im_end|>"
    )
    expect(outside).not.toBe(markedTemplate)
    expect(await refused(outside)).toBe(
      "chat template: <|im_end|>, which ends the assistant's turn, is outside of {% generation %}, so the model would never learn to stop"
    )
  })

  test("a beginning-of-text token twice: of template and tokenizer, of texts and tokenizer", async () => {
    const doubling = smollm2.encode
    const adding: CausalTokenizer["encode"] = (text) => [1, ...doubling(text)]
    expect(await refused(smollm2.chatTemplate, { encode: adding })).toBe(
      "chat template: the chat template and the tokenizer both add the beginning-of-text token"
    )
    const beginning: CausalTokenizer = {
      ...smollm2,
      encode: (text, { special = false } = {}) => [...(special ? [1] : []), ...doubling(text)]
    }
    const texts = jsonlOf([{ text: "<|im_start|>Some words" }, { text: "Others" }])
    expect(await failureOf(open({ format: "text", train: texts }, beginning))).toBe(
      "rows.jsonl: 50.0 % of the rows begin with the beginning-of-text token, which the tokenizer adds as well; remove it from the texts"
    )
  })

  test("nothing to learn within maxLength; no end-of-text token", async () => {
    expect(await failureOf(open({ format: "chat", train, maxLength: 24 }))).toBe(
      "rows.jsonl: no row has anything to learn within its first 24 tokens; raise data.maxLength"
    )
    const texts = jsonlOf([{ text: "a b c" }])
    expect(await failureOf(open({ format: "text", train: texts }, { ...smollm2, eosId: null }))).toStartWith(
      "tokenizer: it has no end-of-text token"
    )
  })

  test("a held-out share of one row", async () => {
    expect(await failureOf(open({ format: "chat", train: jsonlOf(chats.slice(0, 1)), validation: 0.5 }))).toContain(
      "needs at least 2"
    )
  })
})

describe("told", () => {
  test("special tokens in messages, cuts, and rows that repeat", async () => {
    const long = {
      messages: [
        { role: "user", content: "word ".repeat(60) },
        { role: "assistant", content: "Yes." }
      ]
    }
    const rows = [...chats, { messages: goldenChats[5]!.messages }, long, chats[0]]
    const { warnings } = await run(open({ format: "chat", train: jsonlOf(rows), maxLength: 60 }))
    expect(warnings.map((one) => one.replaceAll(/[^\s(]*rows-\d+/g, "rows"))).toEqual([
      "1 row holds <|im_end|>, <|im_start|> in its text, which becomes the special token (rows.jsonl:12)",
      "train (rows.jsonl): 7.1 % of the rows are longer than data.maxLength, 60 tokens, and are truncated",
      "train (rows.jsonl): of 7.1 % of the rows nothing is left to learn after truncation; they are skipped",
      "train (rows.jsonl): 1 of 14 rows repeat the text of an earlier row (rows.jsonl:14 = rows.jsonl:1)"
    ])
  })

  test("a turn that ends with another token than texts do", async () => {
    const { warnings } = await run(open({ format: "chat", train: jsonlOf(chats) }, { ...smollm2, eosId: 0 }))
    expect(warnings).toEqual([
      "the chat template ends the assistant's turn with <|im_end|>, while the tokenizer's end-of-text token is <|endoftext|>: generation must also stop at the former"
    ])
  })

  test("statistics of every split, of a held-out share too", async () => {
    const described = await run(
      Effect.map(
        open({ format: "chat", train: jsonlOf(chats), validation: 0.3, test: parquet("chats-zstd") }),
        (data) => data.describe()
      )
    )
    const lengths = chats.map(({ messages }) => smollm2.encode(goldenText(messages)).length).sort((a, b) => a - b)
    expect(described.map(({ split, rows }) => [split, rows])).toEqual([
      ["train", 8],
      ["validation", 3],
      ["test", 11]
    ])
    const { tokens, learned, sample, truncated } = described[2]!
    const total = lengths.reduce((all, one) => all + one, 0)
    expect({ tokens, sample, truncated }).toEqual({
      tokens: { mean: total / 11, p50: lengths[5]!, p95: lengths[10]!, max: lengths[10]! },
      sample: 11,
      truncated: 0
    })
    // the digits of 0, 2, … 20, and an end of turn each
    expect(learned).toBeCloseTo((5 + 2 * 6 + 11) / total, 12)
  })
})

const goldenText = (messages: ReadonlyArray<Message>): string =>
  `<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n${messages
    .map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`)
    .join("")}`

describe("the sample", () => {
  test("of a conversation: what is learned stands apart", async () => {
    const { messages } = goldenChats[3]!
    const sample = await run(
      Effect.flatMap(open({ format: "chat", train: jsonlOf([{ messages }]) }), (data) => data.sample())
    )
    expect(sample.runs).toEqual([
      {
        text: "<|im_start|>system\nYou answer in French.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
        trained: false
      },
      { text: "Bonjour 😀<|im_end|>", trained: true },
      { text: "\n<|im_start|>user\nThanks\n\nbye<|im_end|>\n<|im_start|>assistant\n", trained: false },
      { text: "De rien.\n<|im_end|>", trained: true },
      { text: "\n", trained: false }
    ])
    expect([sample.tokens, sample.uncut, sample.trained]).toEqual([46, 46, 11])
  })

  test("of a completion, cut", async () => {
    const train = jsonlOf([{ prompt: "2+2=", completion: "4, as everybody knows" }])
    const sample = await run(
      Effect.flatMap(open({ format: "completion", train, maxLength: 6 }), (data) => data.sample())
    )
    expect(sample.runs).toEqual([
      { text: "2+2=", trained: false },
      { text: "4,", trained: true }
    ])
    expect(sample.uncut).toBeGreaterThan(6)
  })
})

test("a section's batches are the goldens' conversations", async () => {
  const rows = goldenChats.filter(({ assistant_mask }) => assistant_mask.includes(1))
  const train = jsonlOf(rows.map(({ messages }) => ({ messages })))
  const batches = await run(
    Effect.gen(function* () {
      const { splits } = yield* open({ format: "chat", train })
      const options = { batchSize: 8, maxLength: 512, packing: true }
      return yield* Stream.runCollect(causalEvaluationBatches(splits.train, smollm2, options))
    })
  )
  expect(batches).toHaveLength(1)
  const [batch] = batches
  expect(batch!.size).toBe(1) // 233 tokens in one row of 512
  for (const [segment, row] of batch!.rows[0]!.entries()) {
    const at = batch!.segments.indexOf(segment)
    const { ids, assistant_mask } = rows[row]!
    expect([...batch!.inputIds.subarray(at, at + ids.length)]).toEqual([...ids])
    const labels = ids.map((_, t) => (assistant_mask[t + 1] === 1 ? ids[t + 1]! : -100))
    expect([...batch!.labels.subarray(at, at + ids.length)]).toEqual(labels)
  }
  expect(existsSync(train)).toBe(true)
})
