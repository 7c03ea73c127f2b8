/**
 * Whether a stream moves its cursor and shows colours, and the few colours there are: errors red (the command-line library's), warnings
 * yellow, what was gained green. `NO_COLOR` turns them off, `FORCE_COLOR` on where there is no terminal, `TERM=dumb` off everywhere.
 */
type Stream = "stdout" | "stderr"

const isTerminal = (stream: Stream): boolean => process[stream].isTTY === true && process.env["TERM"] !== "dumb"

/** Whether a line can be written over. */
export const canMove = (stream: Stream): boolean => isTerminal(stream)

export const canColour = (stream: Stream): boolean => {
  const { TERM, NO_COLOR = "", FORCE_COLOR = "" } = process.env
  if (TERM === "dumb" || NO_COLOR !== "") return false
  return (FORCE_COLOR !== "" && FORCE_COLOR !== "0" && FORCE_COLOR !== "false") || isTerminal(stream)
}

const codes = { red: 31, green: 32, yellow: 33 } as const

export type Colour = keyof typeof codes

/** A text that is printable already, in a colour where the stream shows it. */
export const painted = (text: string, colour: Colour, stream: Stream): string =>
  canColour(stream) ? `\u001b[${codes[colour]}m${text}\u001b[39m` : text

/** The colour of a line by what it says. */
export const colourOf = (line: string): Colour | undefined => (line.startsWith("warning: ") ? "yellow" : undefined)
