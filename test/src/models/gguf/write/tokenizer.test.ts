/** Tokenizers of folders as metadata: read back, they are the same. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { causalTokenizer } from "../../../../../src/models/causal/causal-tokenizer.ts"
import { ggufSource } from "../../../../../src/models/gguf/gguf-source.ts"
import { readGgufHeader } from "../../../../../src/models/gguf/header.ts"
import { parseHeader } from "../../../../../src/models/gguf/parse-header.ts"
import { cuttings } from "../../../../../src/models/gguf/pre-tokenizers.ts"
import { tokenizerOf } from "../../../../../src/models/gguf/tokenizer.ts"
import { ggufHeader } from "../../../../../src/models/gguf/write/index.ts"
import { tokenizerMetadata } from "../../../../../src/models/gguf/write/tokenizer.ts"
import { byteTokenizer, fallbackTokenizer } from "../../../../e2e/causal-bytes.ts"
import { tokenizerConfig, wordTokenizer } from "../../../../e2e/causal-workspace.ts"
import published from "../../../../golden/gguf/published-tokenizers.json" with { type: "json" }
import { goldens, run } from "../../golden.ts"

interface Folder {
  readonly tokenizer: unknown
  readonly tokenizerConfig: unknown
  readonly architecture?: string
}

/** The metadata of a folder's tokenizer, as a reader has them; or why there are none. */
const metadataOf = async ({ tokenizer, tokenizerConfig, architecture = "llama" }: Folder) => {
  const source = { where: "folder", tokenizer, tokenizerConfig }
  const own = await run(causalTokenizer(source))
  const rows = own.vocabularySize + 3
  const written = await run(tokenizerMetadata({ ...source, eosIds: [2], rows, architecture, loaded: own }))
  if (typeof written === "string") return written
  const bytes = Uint8Array.from(ggufHeader(written, new Map()))
  const parsed = parseHeader(bytes, bytes.length)
  if (parsed === "more" || "problem" in parsed) throw new Error("no header")
  return { own, rows, metadata: new Map([...parsed.metadata, ["general.architecture", architecture] as const]) }
}

const found = async (folder: Folder) => {
  const written = await metadataOf(folder)
  if (typeof written === "string") throw new Error(written)
  const { tokenizer, tokenizerConfig, problems } = tokenizerOf(written.metadata)
  expect(problems).toEqual([])
  return { ...written, again: await run(causalTokenizer({ where: "file", tokenizer, tokenizerConfig })) }
}

// GPT-2's letters for bytes
const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !printable(byte))
const letter = (byte: number) => String.fromCodePoint(printable(byte) ? byte : 256 + others.indexOf(byte))
const merges = [
  "` .",
  "Ġ à",
  "¨ à",
  "1 2",
  "2 3",
  "12 3",
  "123 4",
  "Ġ 1",
  "' s",
  "' S",
  "e l",
  "el l",
  "Ġ Ġ",
  "ĠĠ Ġ",
  "Ċ Ċ",
  "Ġ Ċ",
  "x ^",
  "r l",
  "* *",
  "C a",
  "l C",
  "Ġ H",
  "T T",
  "T P",
  "P S",
  "S e",
  "! ?",
  "Ï Ĥ",
  "Ã ©",
  "e Ì",
  "eÌ ģ",
  "3 .",
  ". 1",
  "$ 5",
  '" a',
  ": Ġ",
  "n Ċ",
  ") :"
]

const byBytes = (name: keyof typeof cuttings): Folder => {
  const { normalizer, preTokenizer, ignoreMerges } = cuttings[name]!
  const pieces = ["<pad>", "<s>", "</s>", "<unk>", ...Array.from({ length: 256 }, (_, byte) => letter(byte))]
  const all = [...new Set([...pieces, ...merges.map((pair) => pair.replace(" ", ""))])]
  return {
    tokenizerConfig,
    tokenizer: {
      ...byteTokenizer(),
      added_tokens: byteTokenizer().added_tokens.slice(0, 4),
      normalizer,
      pre_tokenizer: preTokenizer,
      model: {
        type: "BPE",
        ignore_merges: ignoreMerges,
        vocab: Object.fromEntries(all.map((piece, id) => [piece, id])),
        merges
      }
    }
  }
}

describe("the name of a cut is found by what it does:", () => {
  for (const name of Object.keys(cuttings)) {
    test(name, async () => {
      const { metadata } = await found(byBytes(name))
      const written = cuttings[metadata.get("tokenizer.ggml.pre") as string]!
      // names that are the same cut, and what these texts do not tell apart
      expect(JSON.stringify(written.preTokenizer)).toBe(JSON.stringify(cuttings[name]!.preTokenizer))
      expect(JSON.stringify(written.normalizer)).toBe(JSON.stringify(cuttings[name]!.normalizer))
    })
  }

  test("of no name: refused", async () => {
    const { tokenizer } = byBytes("gpt-2")
    const pre_tokenizer = { type: "ByteLevel", add_prefix_space: true, use_regex: true }
    expect(await metadataOf({ tokenizerConfig, tokenizer: { ...(tokenizer as object), pre_tokenizer } })).toContain(
      "llama.cpp does not know"
    )
  })
})

test("rows without a token are unused, special tokens control", async () => {
  const { metadata, rows } = await found(byBytes("gpt-2"))
  const [tokens, types] = ["tokens", "token_type"].map(
    (key) => metadata.get(`tokenizer.ggml.${key}`) as ReadonlyArray<unknown>
  )
  expect([tokens!.length, tokens!.at(-1), types!.at(-1), types![0], types![9]]).toEqual([
    rows,
    `[PAD${rows - 1}]`,
    5,
    3,
    1
  ])
})

test("pieces with byte fallback have scores by which they are merged in the same order", async () => {
  const { own, again, metadata } = await found({ tokenizerConfig, tokenizer: fallbackTokenizer() })
  expect(metadata.get("tokenizer.ggml.model")).toBe("llama")
  expect(metadata.get("tokenizer.ggml.add_space_prefix")).toBe(true)
  const types = metadata.get("tokenizer.ggml.token_type") as ReadonlyArray<number>
  expect([types[0], types[1], types[3], types[270]]).toEqual([2, 3, 6, 1])
  for (const text of ["the  grass is é\n", "thethe of", ""]) {
    expect(again.encode(text, { special: true })).toEqual(own.encode(text, { special: true }))
  }
})

describe("vocabularies out of files of llama.cpp's own converter:", () => {
  for (const model of ["mistral", "phi3", "gemma3"] as const) {
    test(model, async () => {
      const file = join(goldens, "gguf", `${model}-converted.gguf`)
      const source = await run(ggufSource(file))
      const { metadata: theirs } = await run(readGgufHeader(file))
      const architecture = theirs.get("general.architecture") as string
      const { again, metadata } = await found({ ...source, architecture })
      for (const key of ["model", "bos_token_id", "eos_token_id", "unknown_token_id"]) {
        expect([key, metadata.get(`tokenizer.ggml.${key}`)]).toEqual([key, theirs.get(`tokenizer.ggml.${key}`)])
      }
      const [tokens, types] = ["tokens", "token_type"].map(
        (key) => theirs.get(`tokenizer.ggml.${key}`) as ReadonlyArray<unknown>
      )
      const own = metadata.get("tokenizer.ggml.tokens") as ReadonlyArray<string>
      const ownTypes = metadata.get("tokenizer.ggml.token_type") as ReadonlyArray<number>
      // the converter calls <unk> a control token and a row without a token unused; what reads that file calls these unknown and normal
      const same = (kind: unknown, own: unknown) =>
        kind === own || (kind === 3 && own === 2) || (kind === 5 && own === 1)
      const different = tokens!.flatMap((token, id) =>
        own[id] === token && same(types![id], ownTypes[id]) ? [] : [[id, token, types![id], own[id], ownTypes[id]]]
      )
      expect(different).toEqual([])
      published.texts.forEach((text, i) =>
        expect({ text, ids: again.encode(text) }).toEqual({ text, ids: published.ids[model][i]! })
      )
    })
  }
})

test("SmolLM2's published tokenizer is the one that llama.cpp calls smollm", async () => {
  const read = (name: string) => JSON.parse(readFileSync(join(goldens, "tokenizers", "smollm2", name), "utf8"))
  const folder = { tokenizer: read("tokenizer.json"), tokenizerConfig: read("tokenizer_config.json") }
  const { metadata, again, own } = await found(folder)
  expect(metadata.get("tokenizer.ggml.pre")).toBe("smollm")
  expect(metadata.get("tokenizer.ggml.merges")).toHaveLength(48_900)
  const text = "Naïve café — 12,345 → ½ \n\tx = {'a': 1}<|im_end|>"
  expect(again.encode(text)).toEqual(own.encode(text))
}, 60_000)

test("a tokenizer of another type is refused", async () => {
  expect(await metadataOf({ tokenizerConfig, tokenizer: wordTokenizer() })).toContain('type "WordLevel"')
})
