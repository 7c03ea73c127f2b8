/** Prints for each kind of tokenizer how many of 1,000 texts have other ids than in Rust. Runs in Deno and Node: unicode-program.ts GOLDENS */
import { unicodeGoldens } from "./unicode-tokens.ts"

const { names, differing } = unicodeGoldens(process.argv[2]!)
export const counts: object = Object.fromEntries(names.map((name) => [name, differing(name, 1_000).length]))
console.log(JSON.stringify(counts))
