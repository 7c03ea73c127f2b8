/**
 * Ends a process that works for another one when that one is gone: it interrupts itself and saves, as at Ctrl-C. Otherwise the trials of a
 * comparison would continue unnoticed after it was killed.
 *
 * The command line imports this file directly: it watches in every process, before any command is loaded.
 */

import { hostname } from "node:os"

/** Environment variable with the process id of the parent, which sets it. */
export const PARENT = "TFJS_LORA_PRO_PARENT"

/** Environment variable with the process id and host of the ancestor, `123@alpha`, if a launcher such as `mpirun` is in between. */
export const ANCESTOR = "TFJS_LORA_PRO_ANCESTOR"

/** Returns the name of this process in the format of `ANCESTOR`. */
export const ownName = (): string => `${process.pid}@${hostname()}`

const EVERY = 500 // milliseconds

/** Returns a function that tells whether the process that this one works for still exists; undefined: there is no such process. */
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

/** Watches the parent while this process lives, and terminates it once the parent is gone. Does not keep the process alive. */
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
