/** What text models bring with them, and rows: tokenizer.json, chat templates, CSV. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { type Dialect, encodings, separatorNames } from "../../../schemas/index.ts"
import { chatTemplate } from "../../../src/data/causal/chat-template.ts"
import { openClassification, tokenizeTexts } from "../../../src/data/index.ts"
import { loadTokenizer } from "../../../src/models/index.ts"
import { among, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { jsonText } from "../mutate.ts"
import type { Target } from "../target.ts"
import { texts, tokenizers } from "../tokenizers.ts"

/** A regular expression, of those that tokenizers have and of those that backtrack for ever. */
const pattern = (depth: number): Made<string> => {
  const leaf = among(
    "a",
    ".",
    "\\s",
    "\\p{L}",
    "\\p{N}{1,3}",
    "[^\\r\\n]",
    "b",
    "\\S",
    "'s",
    "é",
    "\\w",
    "$",
    "^",
    "\\b"
  )
  if (depth === 0) return leaf
  const inner = pattern(depth - 1)
  return one(
    leaf,
    (random) => `(${inner(random)}${among("+", "*", "?", "{2,}", "{0,50}", "")(random)})${among("+", "*", "")(random)}`,
    (random) => `${inner(random)}${inner(random)}`,
    (random) => `${inner(random)}|${inner(random)}`,
    (random) => `(?:${inner(random)}|${inner(random)})+`,
    (random) => `${inner(random)}(?!\\S)`,
    (random) => seldom(5, among("(", "[", "\\", "(?<=a)", "\\1", "(?i:a)"), among("x"))(random)
  )
}

const split = object({
  type: () => "Split",
  pattern: one<unknown>(object({ Regex: pattern(4) }), object({ String: text })),
  behavior: among("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous", "Other"),
  invert: among(true, false)
})

const normalizer = (depth: number): Made<unknown> =>
  sound(
    one<unknown>(
      () => null,
      object({ type: among("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel") }),
      object({
        type: () => "Replace",
        pattern: one<unknown>(object({ Regex: pattern(3) }), object({ String: text })),
        content: text
      }),
      object({ type: () => "Prepend", prepend: text }),
      object({
        type: () => "BertNormalizer",
        clean_text: among(true, false),
        handle_chinese_chars: among(true, false),
        lowercase: among(true, false),
        strip_accents: among(null, true, false)
      }),
      ...(depth === 0
        ? []
        : [
            object({
              type: () => "Sequence",
              normalizers: seldom(20, list(normalizer(depth - 1), 300), list(normalizer(depth - 1), 4))
            })
          ])
    )
  )

const preTokenizer = (depth: number): Made<unknown> =>
  sound(
    one<unknown>(
      () => null,
      split,
      object({ type: among("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts") }),
      object({ type: () => "ByteLevel", add_prefix_space: among(true, false), use_regex: among(true, false) }),
      object({ type: () => "Metaspace", replacement: text, prepend_scheme: among("always", "first", "never") }),
      object({ type: () => "Digits", individual_digits: among(true, false) }),
      object({ type: () => "Punctuation", behavior: among("Isolated", "Removed") }),
      object({ type: () => "FixedLength", length: size }),
      ...(depth === 0
        ? []
        : [
            object({
              type: () => "Sequence",
              pretokenizers: seldom(20, list(preTokenizer(depth - 1), 300), list(preTokenizer(depth - 1), 4))
            })
          ])
    )
  )

const templatePiece = sound(
  one<unknown>(
    object({ SpecialToken: object({ id: among("[CLS]", "[SEP]", "[NO]"), type_id: size }) }),
    object({ Sequence: object({ id: among("A", "B"), type_id: size }) })
  )
)

const postProcessor = (depth: number): Made<unknown> =>
  sound(
    one<unknown>(
      () => null,
      object({
        type: () => "TemplateProcessing",
        single: seldom(15, list(templatePiece, 6_000), list(templatePiece, 4)),
        pair: list(templatePiece, 4),
        special_tokens: sound(() => (tokenizers[0]!["post_processor"] as Record<string, unknown>)["special_tokens"])
      }),
      object({
        type: among("BertProcessing", "RobertaProcessing"),
        sep: sound(() => ["[SEP]", 3]),
        cls: sound(() => ["[CLS]", 2])
      }),
      object({ type: () => "ByteLevel", trim_offsets: among(true, false) }),
      ...(depth === 0 ? [] : [object({ type: () => "Sequence", processors: list(postProcessor(depth - 1), 40) })])
    )
  )

const tokenizer: Made<unknown> = (random) => {
  const { model, added_tokens } = among(...tokenizers)(random) as Record<string, Record<string, unknown>>
  return object({
    version: () => "1.0",
    truncation: optional(sound(object({ max_length: size, strategy: among("LongestFirst"), stride: size }))),
    padding: optional(sound(object({ strategy: sound(object({ Fixed: size })), pad_id: size, pad_token: text }))),
    added_tokens: sound(() => added_tokens),
    normalizer: normalizer(2),
    pre_tokenizer: preTokenizer(2),
    post_processor: postProcessor(2),
    decoder: () => null,
    model: sound(() => ({
      ...model,
      max_input_chars_per_word: size(random),
      unk_token: seldom(20, text, () => "[UNK]")(random)
    }))
  })(random)
}

export const tokenizerFiles: Target = (folder) => (random) => {
  writeFileSync(join(folder, "tokenizer.json"), jsonText(tokenizer(random), random))
  writeFileSync(join(folder, "tokenizer_config.json"), '{"pad_token":"[PAD]","unk_token":"[UNK]"}')
  return Effect.gen(function* () {
    const tokenizer = yield* loadTokenizer(folder, {})
    for (const { ids } of yield* tokenizeTexts(
      [...texts, "a".repeat(2_000)].map((text) => ({ text })),
      tokenizer,
      128
    )) {
      const valid = ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabularySize)
      if (!valid) throw new Error(`ids ${ids}`)
    }
  })
}

/** Expressions and blocks of Jinja: honest ones, and those that loop, recurse or multiply. */
const expression = (depth: number): Made<string> => {
  const leaf = among(
    "messages",
    "m",
    "m.content",
    "'a'",
    "3",
    "x",
    "bos_token",
    "none",
    "true",
    "[1,2]",
    "{'k': 1}",
    "ns.y"
  )
  if (depth === 0) return leaf
  const inner = expression(depth - 1)
  return one(
    leaf,
    (random) =>
      `${inner(random)} ${among("+", "*", "~", "-", "==", "in", "and", "or", "%", "//", "**", "is")(random)} ${inner(random)}`,
    (random) =>
      `(${inner(random)}) | ${among("length", "trim", "tojson", "upper", "list", "join(',')", "replace('a', 'aa')", "indent(9)", "items", "center(99)", "nope")(random)}`,
    (random) => `range(${among("3", "1000000000", "-1", "messages | length", "0, 100000000, 1")(random)})`,
    (random) => `${inner(random)}[${among("0", "1:", "'content'", "::-1", "-1")(random)}]`,
    (random) => `f(${inner(random)})`,
    (random) => `${inner(random)} if ${inner(random)} else ${inner(random)}`,
    (random) =>
      `${inner(random)}.${among("strip()", "split('a')", "upper()", "keys()", "__proto__", "constructor", "items()")(random)}`
  )
}

const block = (depth: number): Made<string> => {
  const value = seldom(3, expression(2), expression(1))
  if (depth === 0) return one((random) => `{{ ${value(random)} }}`, among("text ", "{# c #}", "\n"))
  const inner = block(depth - 1)
  return one(
    (random) => `{{ ${value(random)} }}`,
    (random) =>
      `{% for m in ${seldom(3, value, () => "messages")(random)} %}${inner(random)}${inner(random)}{% endfor %}`,
    (random) => `{% if ${value(random)} %}${inner(random)}{% else %}${inner(random)}{% endif %}`,
    (random) => `{% set x = ${value(random)} %}${inner(random)}`,
    (random) =>
      `{% set ns = namespace(y=${value(random)}) %}{% for i in range(40) %}{% set ns.y = ns.y ~ ns.y %}{% endfor %}`,
    (random) =>
      `{% macro f(x) %}${seldom(3, among("{{ f(x) }}", "{{ f(x) }}{{ f(x) }}"), inner)(random)}{% endmacro %}{{ f(1) }}`,
    (random) => `{%- generation %}${inner(random)}{% endgeneration -%}`,
    (random) => `${inner(random)}${seldom(40, among("{%", "}}", "{% endfor %}", "{{ '", "{% if %}"), () => "")(random)}`
  )
}

const conversation = [
  { role: "system", content: "be brief" },
  { role: "user", content: "a film?" },
  { role: "assistant", content: "fine" }
] as const

class Refused extends Error {
  readonly _tag = "Refused"
}

export const templates: Target = () => (random) => {
  const source = `{% macro f(x) %}{{ x }}{% endmacro %}${list(block(2), 3, 1)(random).join("")}`
  return Effect.suspend(() => {
    const template = chatTemplate(source, { specialTokens: { bos_token: "<s>" } })
    const written = "broken" in template ? template : template.render({ messages: conversation })
    return "broken" in written ? Effect.fail(new Refused(written.broken)) : Effect.succeed(written.text)
  })
}

const cell = one(
  text,
  (random) => `"${text(random)}"`,
  (random) => `"${text(random)}""${text(random)}"`,
  (random) => `"two\n${text(random)}"`,
  among('"', '""', '"open', 'a"b', "\uFEFF", "\r", "1e999", "=1+1")
)

const csv: Made<string> = (random) => {
  const separator = among(",", ",", ";", "\t", "|")(random)
  const end = among("\n", "\r\n", "\n", "\r\n")(random)
  const header = seldom(10, list(text, 600), among(["text", "label"], ["label", "text", "n"]))(random).join(separator)
  const row = seldom(
    20,
    list(cell, 500),
    seldom(40, list(cell, 3, 1), (own) => [`${text(own)} film`, among("a", "b")(own)])
  )
  const rows = list((own) => row(own).join(separator), 30)(random)
  return [seldom(20, among("\uFEFF"), () => "")(random) + header, ...rows, ""].join(end)
}

/** The bytes of a text in an encoding, now and then cut short. */
const encoded = (content: string, random: Parameters<Made<string>>[0]): Buffer => {
  const bytes = among<(text: string) => Buffer>(
    (text) => Buffer.from(text),
    (text) => Buffer.from(text, "latin1"),
    (text) => Buffer.from(`\uFEFF${text}`, "utf16le"),
    (text) => Buffer.from(`\uFEFF${text}`, "utf16le").swap16(),
    (text) => Buffer.from(text, "utf16le")
  )(random)(content)
  return seldom(20, among(bytes.subarray(0, -1)), () => bytes)(random)
}

export const csvFiles: Target = (folder) => (random) => {
  const file = join(folder, among("rows.csv", "rows.csv", "rows.tsv")(random))
  writeFileSync(file, encoded(csv(random), random))
  const section = {
    ...({ format: "classification", text: "text", label: "label", maxLength: 32, bucketPool: 8 } as const),
    ...seldom<Dialect>(
      2,
      () => ({}),
      (own) => ({ separator: among(...separatorNames)(own), encoding: among(...encodings)(own) })
    )(random)
  }
  return Effect.gen(function* () {
    const { splits } = yield* openClassification({ ...section, train: file, validation: 0.3 }, 0)
    for (const { rows, read, labels } of Object.values(splits)) {
      const all = yield* read(Array.from({ length: rows }, (_, i) => i))
      if (all.some((row) => row.text.trim() === "" || !labels.includes(row.label))) throw new Error(JSON.stringify(all))
    }
  })
}
