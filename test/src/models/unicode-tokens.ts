/** Random texts over all planes in every kind of tokenizer, with the ids that the Rust library gave (test/golden/make/unicode_texts.py). */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { BoundedTokenizer } from "../../../src/models/bounded-tokenizer.ts"

/** Fields of tokenizer.json. */
type Parts = Readonly<Record<string, unknown>>

interface Kind {
  readonly base: string
  readonly change: Readonly<Record<string, Parts>>
}

/** The same in Bun, Deno and Node: `folder` is that of the goldens of tokenizers. */
export const unicodeGoldens = (folder: string) => {
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"))
  const kinds: Readonly<Record<string, Kind>> = read("unicode/kinds.json")
  const ids: Readonly<Record<string, string>> = read("unicode/ids.json")
  const texts: ReadonlyArray<string> = JSON.parse(
    gunzipSync(readFileSync(join(folder, "unicode/texts.json.gz"))).toString()
  )
  const precompiled = read("t5/tokenizer.json").normalizer

  const jsonOf = (name: string): Parts => {
    const { base, change } = kinds[name]!
    const own: Parts = read(
      ["bytes", "pieces", "spelled"].includes(base) ? `unicode/${base}.json` : `${base}/tokenizer.json`
    )
    const changed = Object.entries(change).map(([part, fields]) => [
      part,
      part === "model" || base === "minilm" ? { ...(own[part] as Parts), ...fields } : fields
    ])
    const json = { ...own, truncation: null, padding: null, post_processor: null, ...Object.fromEntries(changed) }
    return JSON.parse(JSON.stringify(json).replace('{"type":"PRECOMPILED"}', () => JSON.stringify(precompiled)))
  }

  /** Which of the first texts have other ids than in Rust. */
  const differing = (name: string, most = texts.length): ReadonlyArray<string> => {
    const tokenizer = new BoundedTokenizer(jsonOf(name), {})
    const hashes = Uint8Array.from(atob(ids[name]!), (byte) => byte.charCodeAt(0))
    return texts.slice(0, most).filter((text, i) => {
      const hash = hashed(tokenizer.encode(text, { add_special_tokens: false }).ids)
      return hash !== hashes[2 * i]! + 256 * hashes[2 * i + 1]!
    })
  }
  return { names: Object.keys(kinds), texts, jsonOf, differing }
}

/** FNV-1a over the numbers, in sixteen bits. */
const hashed = (ids: ReadonlyArray<number>): number => {
  const hash = ids.reduce((value, id) => Math.imul(value ^ id, 0x01000193), 0x811c9dc5)
  return (hash ^ (hash >>> 16)) & 0xffff
}
