/**
 * A text has the same tokens in transformers and in transformers.js, from an exported folder alone, as in the run: for every family, whatever its
 * base's tokenizer_config.json says or does not say. transformers' ids are goldens (test/golden/make/exported_tokenizers.py).
 */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AutoTokenizer, env } from "@huggingface/transformers"
import golden from "../../golden/tokenizers/exported.json" with { type: "json" }
import { cases, type Encoded, exportedConfig, pairs, texts, written } from "./tokenizer-cases.ts"

const folder = mkdtempSync(join(tmpdir(), "tokenizers-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
env.allowRemoteModels = false
env.localModelPath = `${folder}/`

/** Where its library is not the Rust one: it splits at 0 to 9 alone, of all digits. */
const otherDigits = (tokenizer: object): boolean => JSON.stringify(tokenizer).includes('"Digits"')
const DIGITS = "½"

interface Expected {
  readonly texts: ReadonlyArray<Encoded>
  readonly pairs: ReadonlyArray<Encoded>
}

test.each(cases.map((one) => [one.name, one] as const))("%s", async (name, one) => {
  expect({ texts: golden.texts, pairs: golden.pairs }).toEqual({ texts, pairs: pairs.map((pair) => [...pair]) })
  const { class: _, config, ...expected } = golden.cases[name as keyof typeof golden.cases]
  const own: Expected = await written(folder, one)
  expect(exportedConfig(folder, name) ?? one.config).toEqual(config)
  expect(own).toEqual(expected)

  const theirs = await AutoTokenizer.from_pretrained(`out/${name}`)
  // asked for, every class gives types; of a model with one it takes zeros
  const typed = one.use.tokenTypes > 1
  const types = typed ? { return_token_type_ids: true } : {}
  const encoded = (text: string, pair?: string): Encoded => {
    const { input_ids, token_type_ids } = theirs(text, {
      return_tensor: false,
      ...types,
      ...(pair === undefined ? {} : { text_pair: pair })
    }) as unknown as { readonly input_ids: ReadonlyArray<number>; readonly token_type_ids?: ReadonlyArray<number> }
    return token_type_ids === undefined ? { ids: input_ids } : { ids: input_ids, types: token_type_ids }
  }
  const asked = ({ ids, types }: Encoded): Encoded => (typed ? { ids, types: types! } : { ids })
  for (const [i, text] of texts.entries()) {
    if (text.includes(DIGITS) && otherDigits(one.tokenizer)) continue
    expect(encoded(text)).toEqual(asked(own.texts[i]!))
  }
  for (const [i, pair] of own.pairs.entries()) {
    const [text, second] = pairs[i]!
    expect(encoded(text, second)).toEqual(asked(pair))
  }
})
