/**
 * A process that works for another ends when that one is gone: it interrupts itself and saves, as at Ctrl-C. Otherwise the trials of a
 * comparison would continue unseen after it was killed.
 *
 * The command line enters compare here: it watches in every process, before any command is loaded.
 */

/** Set by who starts the process: its own process id. */
export const PARENT = "TFJS_LORA_PRO_PARENT"

const EVERY = 500 // milliseconds

/** Looks for as long as the process lives, and keeps it from ending by itself no longer. */
export const watchParent = (): void => {
  const parent = Number(process.env[PARENT] ?? "")
  if (!Number.isInteger(parent) || parent <= 0) return
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, "SIGTERM")
  }, EVERY)
  timer.unref()
}
