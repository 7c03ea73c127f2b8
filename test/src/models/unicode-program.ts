/** Prints for each kind of tokenizer how many texts have other ids than in Rust. Runs in Bun, Deno and Node: unicode-program.ts GOLDENS */
import { unicodeGoldens } from "./unicode-tokens.ts"

const { names, differing } = unicodeGoldens(process.argv[2]!)
console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name, differing(name).length]))))
