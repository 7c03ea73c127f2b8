/**
 * What input from outside may cost, in one place: every bound has a name, a default and a reason. A bound guards the process that reads, so
 * its value belongs to the process and not to a plan, which is itself input from outside.
 *
 *   TFJS_LORA_PRO_LIMITS=json-depth=128,text-file-bytes=200000000     for the command line
 *   setLimits({ "json-depth": 128 })                                   in code
 */

interface Limit {
  readonly default: number
  readonly unit: "bytes" | "characters" | "levels" | "seconds" | "times" | "entries" | "steps"
  /** what is counted, and of what */
  readonly what: string
}

const mebibyte = 2 ** 20

export const limits = {
  // the largest tokenizer.json in use (a vocabulary of 256,000 with its merges) has about half as many
  "text-file-bytes": {
    default: 64 * mebibyte,
    unit: "bytes",
    what: "a file read as a whole: config, tokenizer, report"
  },
  // a plan is a page; what can make it long is its list of labels, of which 50,000 fit
  "plan-bytes": { default: 2 * mebibyte, unit: "bytes", what: "a plan" },
  // a tokenizer.json has about ten, a plan six, a safetensors header three
  "json-depth": { default: 64, unit: "levels", what: "objects and lists within one another in a JSON file" }
} as const satisfies Readonly<Record<string, Limit>>

export type LimitName = keyof typeof limits

const values = new Map<LimitName, number>()

/** The value in force. */
export const limit = (name: LimitName): number => values.get(name) ?? limits[name].default

/**
 * The end of a sentence about what was refused: which limit, its value, and how to raise it.
 *
 *   `nests deeper than ${overLimit("json-depth")}` → "nests deeper than 64 levels (limit json-depth; TFJS_LORA_PRO_LIMITS=json-depth=N raises it)"
 */
export const overLimit = (name: LimitName): string =>
  `${limit(name).toLocaleString("en")} ${limits[name].unit} (limit ${name}; ${LIMITS_VARIABLE}=${name}=N raises it)`

export const LIMITS_VARIABLE = "TFJS_LORA_PRO_LIMITS"

const isName = (name: string): name is LimitName => Object.hasOwn(limits, name)

/**
 * Sets limits of this process; those not named stay. Throws a RangeError where a name or a value is none.
 */
export const setLimits = (given: { readonly [Name in LimitName]?: number }): void => {
  for (const [name, value] of Object.entries(given)) {
    if (!isName(name)) throw new RangeError(`there is no limit ${name}; there are ${Object.keys(limits).join(", ")}`)
    if (!Number.isFinite(value) || value <= 0) {
      throw new RangeError(`the limit ${name} is ${value}; expected a number of ${limits[name].unit} above 0`)
    }
    values.set(name, value)
  }
}

/** Reads `name=value,name=value`. Throws a RangeError as `setLimits` does. */
export const setLimitsFromText = (text: string): void => {
  const entries = text.split(",").filter((entry) => entry.trim() !== "")
  const given = entries.map((entry) => {
    const [name = "", value = ""] = entry.split("=", 2).map((part) => part.trim())
    return [name, value === "" ? Number.NaN : Number(value)] as const
  })
  setLimits(Object.fromEntries(given))
}
