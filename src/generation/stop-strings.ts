/** Ends a text before the first of some strings, wherever the borders of its pieces are. */

export interface StopStrings {
  /** What of the text is certain to stand before any of the strings; `stopped`: one of them has come. */
  readonly push: (piece: string) => { readonly text: string; readonly stopped: boolean }
  /** What was held back, at the end of a text in which none came. */
  readonly end: () => string
}

export const stopStrings = (stops: ReadonlyArray<string>): StopStrings => {
  let held = ""
  return {
    push: (piece) => {
      held += piece
      const places = stops.map((stop) => held.indexOf(stop)).filter((place) => place >= 0)
      if (places.length > 0) {
        const text = held.slice(0, Math.min(...places))
        held = ""
        return { text, stopped: true }
      }
      const certain = held.length - openEnd(held, stops)
      const text = held.slice(0, certain)
      held = held.slice(certain)
      return { text, stopped: false }
    },
    end: () => {
      const text = held
      held = ""
      return text
    }
  }
}

/** Characters at the end of a text that begin one of the strings; the most there are. */
const openEnd = (text: string, stops: ReadonlyArray<string>): number => {
  const most = Math.min(text.length, Math.max(0, ...stops.map((stop) => stop.length - 1)))
  for (let length = most; length > 0; length--) {
    const end = text.slice(-length)
    if (stops.some((stop) => stop.startsWith(end))) return length
  }
  return 0
}
