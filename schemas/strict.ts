/** How everything is decoded: alone in this file, for a page that adapts decodes no run plan. */
import type { ParseOptions } from "effect/SchemaAST"

/** None of these is the library's default: it stops at the first error, drops unknown keys and hides the found value. */
export const strict = { errors: "all", onExcessProperty: "error", reportInput: true } as const satisfies ParseOptions
