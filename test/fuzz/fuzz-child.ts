/**
 * Run by run-fuzz.ts as its own process, so that a case that never ends can be ended, and memory is this process's own:
 *
 *   bun fuzz-child.ts <target> <first> <count> <progress file>
 *
 * The progress file holds the number of the case that runs: what a case that hangs was. At the end, one line of JSON.
 */

import { heapStats } from "bun:jsc"
import { mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { randomStream } from "../../src/numbers/random.ts"
import { platform, targets } from "./targets.ts"

const [name = "", first = "0", count = "0", progressFile = ""] = process.argv.slice(2)
const target = targets[name] ?? (await import("./grammars/index.ts")).grammars[name]
if (target === undefined) throw new Error(`no target ${name}`)

// libraries warn of what they do not know; what counts is what they return
console.warn = () => {}

/** Cases after which code and buffers have reached their size. */
const warmUp = 200
/** So many are enough to see what they have in common. */
const mostWrong = 10
/** Messages list twenty entries and cut what they quote. */
const longestMessage = 64 * 1024

const wrongWith = (
  exit: Exit.Exit<unknown, { readonly _tag: string; readonly message: string }>
): string | undefined => {
  if (Object.keys(Object.prototype).length > 0)
    return `prototype of all objects changed: ${Object.keys(Object.prototype)}`
  if (Exit.isSuccess(exit)) return undefined
  for (const reason of exit.cause.reasons) {
    if (reason._tag !== "Fail") {
      const defect = reason._tag === "Die" ? reason.defect : reason._tag
      return defect instanceof Error ? (defect.stack ?? String(defect)).slice(0, 2_000) : String(defect)
    }
    const { _tag, message } = reason.error
    if (typeof _tag !== "string" || typeof message !== "string" || message === "")
      return `an error without words: ${_tag}`
    if (message.length > longestMessage) return `${_tag} with a message of ${message.length} characters`
  }
  return undefined
}

const folder = mkdtempSync(join(tmpdir(), "fuzz-"))
const progress = openSync(progressFile, "w")
const wrong: Array<string> = []
const tally = { cases: 0, valid: 0 }
let [before, slowest] = [0, 0]
let heap = 0

/** Bytes of objects and buffers that are reachable. */
const reachableBytes = (): number => {
  Bun.gc(true)
  const { heapSize, extraMemorySize } = heapStats()
  return heapSize + extraMemorySize
}

/** Its services hold nothing of a case; to make them for each would take a fifteenth of the time. */
const runtime = ManagedRuntime.make(platform)

try {
  const caseOf = target(folder)
  for (let i = Number(first); i < Number(first) + Number(count); i++) {
    writeSync(progress, `${i}`.padEnd(12), 0)
    const began = performance.now()
    const exit = await runtime.runPromiseExit(
      Effect.suspend(() => caseOf(randomStream(0, "fuzz", name, i))).pipe(Effect.scoped)
    )
    slowest = Math.max(slowest, performance.now() - began)
    const reason = wrongWith(exit)
    if (reason !== undefined && wrong.length < mostWrong) wrong.push(`case ${i}: ${reason}`)
    tally.cases++
    if (Exit.isSuccess(exit)) tally.valid++
    if (tally.cases === warmUp) [before, heap] = [process.resourceUsage().maxRSS, reachableBytes()]
  }
} finally {
  await runtime.dispose()
  rmSync(folder, { recursive: true, force: true })
}
const grown = before === 0 ? 0 : (process.resourceUsage().maxRSS - before) / 1024 // maxRSS is in KiB
const retained = heap === 0 ? 0 : (reachableBytes() - heap) / 2 ** 20
const megabytes = { grown: Math.round(grown), retained: Math.round(retained) }
console.log(JSON.stringify({ ...tally, slowest: Math.round(slowest), ...megabytes, wrong }))
