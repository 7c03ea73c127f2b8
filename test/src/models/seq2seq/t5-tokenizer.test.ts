/** T5's tokenizer against the Python library, in the three spellings of tokenizer.json; and folders without one. */
import { expect, test } from "bun:test"
import { cp, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { causalTokenizer } from "../../../../src/models/causal/index.ts"
import { seq2seqTokenizer } from "../../../../src/models/seq2seq/index.ts"
import { goldens, runScoped } from "../golden.ts"

const folder = join(goldens, "tokenizers/t5")
const jsonOf = (name: string) => Bun.file(join(folder, name)).json()
const golden = await jsonOf("goldens.json")

test("gives the ids of the Python library, the end of text after them, and the text back", () =>
  runScoped(
    Effect.gen(function* () {
      const tokenizer = yield* seq2seqTokenizer({ folder, vocabularySize: 512 })
      expect([tokenizer.eosId, tokenizer.padId, tokenizer.vocabularySize]).toEqual([1, 0, 450])
      expect(golden.texts.length).toBeGreaterThan(30)
      for (const { text, ids, ids_without_special_tokens: bare, decoded } of golden.texts) {
        expect([text, tokenizer.encode(text, { special: true })]).toEqual([text, ids])
        expect([text, tokenizer.encode(text)]).toEqual([text, bare])
        expect([text, tokenizer.decode(ids)]).toEqual([text, decoded])
      }
    })
  ))

test("older spellings of the same give the same ids as in Python", () =>
  runScoped(
    Effect.gen(function* () {
      const files = yield* Effect.promise(() => Promise.all(["tokenizer.json", "tokenizer_config.json"].map(jsonOf)))
      expect(golden.spellings.length).toBe(2)
      for (const { parts, ids } of golden.spellings) {
        const [json, tokenizerConfig] = files
        // the golden has a mark where the table is
        const table = json.normalizer.precompiled_charsmap
        const own = JSON.parse(JSON.stringify(parts).replace("AAAA", () => table))
        const tokenizer = yield* causalTokenizer({ where: "t5", tokenizer: { ...json, ...own }, tokenizerConfig })
        for (const [i, { text }] of golden.texts.entries()) {
          expect([text, tokenizer.encode(text, { special: true })]).toEqual([text, ids[i]])
        }
      }
    })
  ))

test("a folder that has SentencePiece's file alone: one sentence that says what to do", () =>
  runScoped(
    Effect.gen(function* () {
      const own = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "spiece-"))),
        (made) => Effect.promise(() => rm(made, { recursive: true }))
      )
      const problems = Effect.map(
        Effect.flip(seq2seqTokenizer({ folder: own, vocabularySize: 512 })),
        (error) => error.problems
      )
      expect(yield* problems).toEqual(["tokenizer.json: no such file; a model needs its tokenizer to read text"])
      yield* Effect.promise(() => cp(join(folder, "goldens.json"), join(own, "spiece.model")))
      expect(yield* problems).toEqual([
        `tokenizer.json: no such file, and spiece.model is not supported; create it with transformers: AutoTokenizer.from_pretrained("${own}").save_pretrained("${own}")`
      ])
    })
  ))
