/**
 * Does a command print what a page shows? What varies from machine to machine and from run to run is left out of the comparison: times,
 * memory, speeds, the device; of what is computed in float32 every number. The words, their order and what is asked of each line stay.
 */

/** Lines that come as time passes. */
const isProgress = (line: string): boolean =>
  /^(step|evaluating \w+|(reading|hashing|loading) .*) +\d+\/\d+ /.test(line)

/** What a machine and a clock decide. */
const varying: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(\d+ h |\d+ min )?\d[\d.,]* (ms|s|min|h)\b/g, "some time"],
  [/\b\d[\d.,]* ?(B|kB|MB|GB|MiB|bytes)\b/g, "some size"],
  [/\[\d+(\.\d+)?m?s\]/g, "[some time]"],
  [/^device: .*/, "device"],
  [/SHA-256 [0-9a-f]+…?/g, "SHA-256"],
  // how the program was started; here it is always the sources
  [/\bbunx --bun tfjs-lora-pro (?=[a-z])/g, "bun run "],
  [/\bruns\/([\w-]+?)-\d+\b/g, "runs/$1-n"]
]

/** A line without what a machine and a clock decide. */
export const withoutVarying = (line: string): string =>
  varying.reduce((text, [pattern, word]) => text.replace(pattern, word), line)

/** What is left of a line to compare; `numbers`: those too. */
const essence = (line: string, numbers: boolean): string => {
  let text = withoutVarying(line)
  if (!numbers)
    text = text
      .replace(/(?<![\w.])[-−+]?\d[\d.,]*(e[-+]?\d+)?/g, "n")
      // which checkpoint is the best, and on how many rows, are numbers too
      .replace(/^Saved the (best|last) checkpoint.*/, "Saved the … checkpoint")
      .replace(/\(the first n rows\)/, "(n rows)")
  return text.replace(/\s+/g, " ").trim()
}

/** A command whose numbers are computed in float32, by a model: another machine has others. */
export const isComputed = (command: string): boolean =>
  /\b(train|evaluate|predict|merge|export|embed|generate|chat|compare|doctor)\b|\badapt\.ts\b/.test(command)

const ELISION = /^\s*(…|\.\.\.)\s*$/

/**
 * The lines that a page shows and that were not printed, or not in this order; and the printed ones beyond those that it shows, where
 * nothing says that there are more.
 */
export const differences = (
  shown: ReadonlyArray<string>,
  printed: ReadonlyArray<string>,
  { numbers, whole }: { readonly numbers: boolean; readonly whole: boolean }
): ReadonlyArray<string> => {
  const found = printed.filter((line) => line.trim() !== "" && !isProgress(line))
  // of computed lines that are alike, such as evaluations, fewer may come
  const wanted = shown
    .filter((line) => line.trim() !== "" && !isProgress(line))
    .filter((line, i, all) => numbers || i === 0 || essence(line, numbers) !== essence(all[i - 1]!, numbers))
  const wrong: Array<string> = []
  let at = 0
  let elided = false
  for (const line of wanted) {
    if (ELISION.test(line)) {
      elided = true
      continue
    }
    const want = essence(line.replace(/…$/, ""), numbers)
    const fits = (one: string) =>
      line.endsWith("…") ? essence(one, numbers).startsWith(want) : essence(one, numbers) === want
    const next = found.findIndex((one, i) => i >= at && fits(one))
    if (next < 0) wrong.push(`not printed: ${line}`)
    else {
      if (whole && !elided && next > at) wrong.push(...found.slice(at, next).map((one) => `not shown:   ${one}`))
      at = next + 1
    }
    elided = false
  }
  if (whole && !elided) wrong.push(...found.slice(at).map((one) => `not shown:   ${one}`))
  return wrong
}
