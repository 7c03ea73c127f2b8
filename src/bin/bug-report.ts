/**
 * Handles unexpected errors: prints one sentence and writes a file for a bug report. Loaded when one occurs.
 *
 * The file names the command and places in the code. It excludes the environment and passwords in URLs, and other users of
 * the machine cannot read it.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs"
import { freemem, release, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import ownPackage from "../../package.json" with { type: "json" }
import { byteSize, cut, printable, printableLine, shownArgument, withoutSecretsIn } from "../boundary/index.ts"
import { refuse } from "./output.ts"

/** Exit code: EX_SOFTWARE of sysexits.h. Failures with a reason exit with 1. */
export const BUG = 70

/** A bug that was reported to the user. */
class Told extends Error {
  override readonly [Runtime.errorExitCode] = BUG
  override readonly [Runtime.errorReported] = false
}

const mostCauses = 5
const longestStack = 20_000 // characters

/** Returns the stacks of an exception and its causes. */
const stacks = (thrown: unknown): string => {
  const traces: Array<string> = []
  for (
    let cause = thrown;
    cause !== undefined && traces.length < mostCauses;
    cause = cause instanceof Error ? cause.cause : undefined
  )
    traces.push(cut(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause), longestStack))
  return traces.join("\n\ncaused by\n\n")
}

const report = (thrown: unknown): string => {
  const { versions, platform, arch, argv, memoryUsage } = process
  const runtime = (["bun", "deno", "node"] as const).find((name) => versions[name] !== undefined)!
  return [
    `tfjs-lora-pro ${ownPackage.version}, ${runtime} ${versions[runtime]}, ${platform} ${release()} ${arch}`,
    `${new Date().toISOString()}, memory ${byteSize(memoryUsage().rss)} of this process, ${byteSize(freemem())} of ${byteSize(totalmem())} free`,
    `command: ${argv.slice(2).map(shownArgument).join(" ")}`,
    "",
    stacks(thrown),
    ""
  ].join("\n")
}

/** Writes under a temporary name and renames. Returns the path of the file, or undefined if it cannot be written. */
const writeReport = (folder: () => string, name: string, text: string): string | undefined => {
  try {
    const file = join(folder(), name)
    const temporary = `${file}.tmp-${process.pid}`
    try {
      writeFileSync(temporary, text, { flag: "wx", mode: 0o600 })
      renameSync(temporary, file)
    } finally {
      rmSync(temporary, { force: true })
    }
    return file
  } catch {
    return undefined
  }
}

// messages of JavaScriptCore, V8, and the wasm engine
const isOutOfMemory = (text: string): boolean => /out of memory|allocation failed|could not allocate/i.test(text)

/** Writes the report, and prints what happened and what to do. */
export const reportBug = (thrown: unknown): void => {
  const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  const text = withoutSecretsIn(report(thrown))
  const name = `tfjs-lora-pro-error-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.txt`
  const file = writeReport(process.cwd, name, text) ?? writeReport(tmpdir, name, text)
  const where = file === undefined ? "no report could be written" : `the report is in ${file}`
  const message = printableLine(cut(withoutSecretsIn(what), 300))
  refuse(
    isOutOfMemory(what)
      ? `\nERROR\n  out of memory (${message}): use smaller batches, training.recompute or model.weights (validate shows the memory that a plan needs); ${printable(where)}`
      : `\nERROR\n  ${message}: this is a bug in tfjs-lora-pro; please report it with the steps that led to it; ${printable(where)}`
  )
}

/** Reports a bug at the end of a program. */
export const endWithReport = (thrown: unknown): Effect.Effect<never, Told> =>
  Effect.suspend(() => {
    reportBug(thrown)
    return Effect.fail(new Told())
  })
