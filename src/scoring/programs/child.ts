/**
 * The script of the process that runs a program: JavaScript for Deno, read from stdin, so that the process needs no permission to read it.
 *
 * A program shares the process with this script, and can call whatever the process may: read Pyodide's folder, and nothing else. Whether it passed is
 * written after random text, by functions that were taken before it began, so output that looks like a verdict is none. A program that is made to
 * deceive the tests in its own process still can, here as under every evaluator that runs both together.
 */
import * as Base64 from "effect/encoding/Base64"
import type { ProgramLanguage } from "./programs.ts"

/** What runs in a process. */
export interface Task {
  /** language of the program */
  readonly language: ProgramLanguage
  /** the program */
  readonly source: string
  /** random text before the verdict */
  readonly nonce: string
  /** Pyodide's folder, with / at its end; needed for Python */
  readonly pyodide?: string | undefined
  /** file with the state of an interpreter that has started; needed for Python */
  readonly snapshot?: string | undefined
}

/** What the modules of most programs import, so that each of them need not. */
const IMPORTED =
  "import collections, copy, datetime, functools, hashlib, heapq, itertools, json, math, random, re, statistics, string, typing"

const writer = `
const write = Deno.stdout.writeSync.bind(Deno.stdout), encode = TextEncoder.prototype.encode.bind(new TextEncoder())
const { String } = globalThis, { stringify } = JSON
`

/** Script that writes the state of a Python interpreter that has started to stdout. */
export const snapshotScript = (pyodide: string): string => `${writer}
const { loadPyodide } = await import(${JSON.stringify(pathToUrl(pyodide))} + "pyodide.mjs")
const python = await loadPyodide({ indexURL: ${JSON.stringify(pyodide)}, jsglobals: {}, _makeSnapshot: true })
python.runPython(${JSON.stringify(IMPORTED)})
const bytes = python.makeMemorySnapshot()
for (let at = 0; at < bytes.length; ) at += write(bytes.subarray(at))
`

/** Script that runs a program. */
export const programScript = ({ language, source, nonce, pyodide = "", snapshot = "" }: Task): string => `${writer}
const passed = encode(${JSON.stringify(`\n${nonce} passed\n`)}), failed = encode(${JSON.stringify(`\n${nonce} failed `)})
const run = ${
  language === "python"
    ? `await (async () => {
  const { loadPyodide } = await import(${JSON.stringify(pathToUrl(pyodide))} + "pyodide.mjs")
  const quiet = { stdout: () => {}, stderr: () => {} }
  const _loadSnapshot = Deno.readFileSync(${JSON.stringify(snapshot)})
  const python = await loadPyodide({ indexURL: ${JSON.stringify(pyodide)}, jsglobals: {}, _loadSnapshot, ...quiet })
  const runPython = python.runPython.bind(python)
  return () => runPython(${JSON.stringify(source)})
})()`
    : `() => import(${JSON.stringify(`data:application/${language};base64,${Base64.encode(source)}`)})`
}
try {
  await run()
  write(passed)
} catch (error) {
  write(failed)
  write(encode(stringify(String(error?.message ?? error))))
  write(encode("\\n"))
}
Deno.exit(0)
`

/** Returns the address of a folder. */
export const pathToUrl = (folder: string): string =>
  `file://${folder.startsWith("/") ? "" : "/"}${folder.replaceAll("\\", "/")}`
