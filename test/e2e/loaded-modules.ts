/** Preloaded into a command (`bun --preload`): writes the files of all modules that it loaded to $LOADED_MODULES when it exits. */
import { writeFileSync } from "node:fs"
import { createRequire } from "node:module"

const { cache } = createRequire(import.meta.url)

process.on("exit", () => writeFileSync(process.env["LOADED_MODULES"]!, Object.keys(cache).join("\n")))
