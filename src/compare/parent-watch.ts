/**
 * A process that works for another ends when that one is gone: it interrupts itself and saves, as at Ctrl-C. Otherwise the trials of a
 * comparison would continue unseen after it was killed.
 *
 * The command line enters compare here: it watches in every process, before any command is loaded.
 */

import { hostname } from "node:os"

/** Set by the process that starts this one: its own process id. */
export const PARENT = "TFJS_LORA_PRO_PARENT"

/** The same where a launcher such as `mpirun` is between the two: its process id and machine, `123@alpha`. */
export const ANCESTOR = "TFJS_LORA_PRO_ANCESTOR"

/** This process, as `ANCESTOR` has it. */
export const ownName = (): string => `${process.pid}@${hostname()}`

const EVERY = 500 // milliseconds

/** Whether the process that this one works for is still there; undefined: it works for none. */
const watched = (): (() => boolean) | undefined => {
  const parent = Number(process.env[PARENT] ?? "")
  if (Number.isInteger(parent) && parent > 0) return () => process.ppid === parent
  const [, ancestor, machine] = /^(\d+)@(.*)$/.exec(process.env[ANCESTOR] ?? "") ?? []
  // on other machines the launcher ends its processes
  return ancestor === undefined || machine !== hostname() ? undefined : () => isThere(Number(ancestor))
}

const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Looks for as long as the process lives, and keeps it from ending by itself no longer. */
export const watchParent = (): void => {
  const isHere = watched()
  if (isHere === undefined) return
  const timer = setInterval(() => {
    if (isHere()) return
    clearInterval(timer)
    process.kill(process.pid, "SIGTERM")
  }, EVERY)
  timer.unref()
}
