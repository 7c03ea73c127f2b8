/** Text that contains none of some openings: an Aho-Corasick automaton (1975) over bytes, without what completes an opening. */
import { type Edge, type Node, node } from "./automaton.ts"

const utf8 = new TextEncoder()

/** Matches a text without the openings, followed by one of `nexts`. */
export const freeText = (openings: ReadonlyArray<string>, nexts: ReadonlyArray<Node>): Node => {
  const words = openings.map((opening) => [...utf8.encode(opening)])
  // a state is what was read of an opening: the longest end of the text that begins one
  const states: Array<ReadonlyArray<number>> = [[]]
  const indexOfState = new Map<string, number>([["", 0]])
  for (const word of words) {
    for (let length = 1; length < word.length; length++) {
      const state = word.slice(0, length)
      if (indexOfState.has(state.join())) continue
      indexOfState.set(state.join(), states.length)
      states.push(state)
    }
  }
  const nodes = states.map(() => node({ jumps: nexts }))
  const after = (state: ReadonlyArray<number>, byte: number): Node | null => {
    const read = [...state, byte]
    const ends = (word: ReadonlyArray<number>) =>
      word.every((wordByte, i) => wordByte === read[read.length - word.length + i])
    if (words.some((word) => word.length <= read.length && ends(word))) return null
    for (let from = 0; ; from++) {
      const at = indexOfState.get(read.slice(from).join())
      if (at !== undefined) return nodes[at]!
    }
  }
  states.forEach((state, i) => {
    const edges: Array<Edge> = []
    for (let byte = 0; byte < 256; byte++) {
      const target = after(state, byte)
      const last = edges.at(-1)
      if (target === null) continue
      if (last?.target === target && last.to === byte - 1) edges[edges.length - 1] = { ...last, to: byte }
      else edges.push({ from: byte, to: byte, target })
    }
    nodes[i]!.edges = edges
  })
  return nodes[0]!
}
