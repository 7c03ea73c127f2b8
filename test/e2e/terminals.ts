/** Commands on a terminal. */
import { stripVTControlCharacters } from "node:util"
import { TIMEOUT } from "./fixtures.ts"

/** What a terminal shows, without what moves its cursor. */
const shown = (bytes: string): string => stripVTControlCharacters(bytes).replaceAll("\r", "")

interface TerminalOptions {
  readonly columns?: number
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** A command on a terminal of its own. */
export const startOnTerminal = (
  command: ReadonlyArray<string>,
  cwd: string,
  { columns = 200, env = {} }: TerminalOptions = {}
) => {
  let screen = ""
  let seen = 0
  const decoded = new TextDecoder()
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, ...env },
    timeout: TIMEOUT,
    terminal: {
      cols: columns,
      rows: 50,
      data: (_, data) => {
        screen += decoded.decode(data, { stream: true })
      }
    }
  })
  /** Waits for a text behind the one that was waited for last. */
  const until = async (text: string) => {
    while (true) {
      const place = shown(screen).indexOf(text, seen)
      if (place >= 0) {
        seen = place + text.length
        return
      }
      if (child.exitCode !== null)
        throw new Error(`ended with ${child.exitCode}, without ${JSON.stringify(text)}: ${shown(screen)}`)
      await Bun.sleep(10)
    }
  }
  return {
    until,
    type: (keys: string) => void child.terminal!.write(keys),
    /** between the place that was waited for last and the end */
    behind: () => shown(screen).slice(seen),
    /** all that the terminal was sent */
    sent: () => screen,
    ended: child.exited
  }
}
