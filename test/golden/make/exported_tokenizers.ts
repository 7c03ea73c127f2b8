/** Writes the folders whose tokenizers exported_tokenizers.py reads: `bun exported_tokenizers.ts FOLDER`. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cases, pairs, texts, written } from "../../src/output/tokenizer-cases.ts"

const folder = process.argv[2]!
mkdirSync(folder, { recursive: true })
for (const one of cases) await written(folder, one)
writeFileSync(join(folder, "texts.json"), JSON.stringify({ texts, pairs, cases: cases.map(({ name }) => name) }))
process.exit(0)
