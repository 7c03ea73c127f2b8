/**
 * Backtracking that remembers where it failed, so that it comes to no instruction twice at one place of a text: the time of finding all
 * matches is at most the length of the pattern times that of the text. [Davis, Servant, Lee: Using Selective Memoization to Defeat
 * Regular Expression Denial of Service (REDOS). S&P 2021.] What follows a failed place does not depend on where a match began, and so
 * what is remembered holds for all matches of a text.
 */
import { limit, overLimit, wholeNumber } from "../boundary/index.ts"
import { type Edge, UnboundedPattern } from "./parse.ts"
import { op, type Program, wordCharacters } from "./program.ts"

/** Bits by place in a text and by number, of which most places may have none. */
class Bits {
  readonly #words: number
  /** a block holds 2^shift places */
  readonly #shift: number
  readonly #blocks: Array<Uint32Array | undefined> = []

  constructor(count: number, length: number) {
    this.#words = Math.ceil(count / 32)
    const [most, needed] = [4_096, this.#words * (length + 1)]
    this.#shift = Math.max(0, Math.floor(Math.log2(Math.min(most, needed) / this.#words)))
  }

  has(place: number, bit: number): boolean {
    const block = this.#blocks[place >> this.#shift]
    return block !== undefined && ((block[this.#word(place, bit)]! >>> (bit & 31)) & 1) === 1
  }

  /** Gives the number of bytes that had to be made for it. */
  set(place: number, bit: number): number {
    const known = this.#blocks[place >> this.#shift]
    const block = known ?? new Uint32Array(this.#words << this.#shift)
    this.#blocks[place >> this.#shift] = block
    block[this.#word(place, bit)]! |= 1 << (bit & 31)
    return known === undefined ? block.byteLength : 0
  }

  delete(place: number, bit: number): void {
    const block = this.#blocks[place >> this.#shift]
    if (block !== undefined) block[this.#word(place, bit)]! &= ~(1 << (bit & 31))
  }

  /** Forgets blocks that are before a place: those that a search for further matches does not come to. */
  forgetBefore(place: number): void {
    for (let i = (place >> this.#shift) - 1; i >= 0 && this.#blocks[i] !== undefined; i--) this.#blocks[i] = undefined
  }

  #word(place: number, bit: number): number {
    return (place & ((1 << this.#shift) - 1)) * this.#words + (bit >>> 5)
  }
}

/** A stack of integers: four bytes each, where a list of numbers has eight. */
class Stack {
  #values = new Int32Array(64)
  length = 0

  push2(a: number, b: number): void {
    if (this.length + 2 > this.#values.length) this.#grow()
    this.#values[this.length] = a
    this.#values[this.length + 1] = b
    this.length += 2
  }

  at(index: number): number {
    return this.#values[index]!
  }

  #grow(): void {
    const larger = new Int32Array(2 * this.#values.length)
    larger.set(this.#values)
    this.#values = larger
  }
}

/** Where groups begin and end, by twice their number; -1 where they took no part. */
type Borders = ReadonlyArray<number>

/** A pattern's matches in one text. */
export class Search {
  readonly #program: Program
  readonly #text: string
  readonly #visited: Bits
  /** of bodies of lookarounds without groups, which are only asked whether they match */
  readonly #won: Bits
  readonly #remembers: boolean
  #steps = 0
  #borders: Array<number> = []
  /** untried alternatives: instruction, place, loops that have read, length of the path. Or the previous border of a group: -1 - slot, border */
  readonly #ways = new Stack()
  /** the places that lead to where the search is: place, bit */
  readonly #path = new Stack()

  /** `remembers: false` is how an engine without memory goes, for measuring how many steps it would take. */
  constructor(program: Program, text: string, remembers = true) {
    this.#program = program
    this.#text = text
    this.#remembers = remembers
    this.#visited = new Bits(program.bits, text.length)
    this.#won = new Bits(program.bits, text.length)
  }

  get steps(): number {
    return this.#steps
  }

  /** The first match that begins at `from` or, unless `sticky`, after it. Throws an `UnboundedPattern` after too many steps. */
  find(from: number, sticky: boolean): Borders | undefined {
    const text = this.#text
    this.#visited.forgetBefore(from)
    for (let start = from; start <= text.length; start += text.codePointAt(start)! > 0xffff ? 2 : 1) {
      this.#borders = new Array<number>(2 * this.#program.groupCount).fill(-1)
      const end = this.#match(0, start, "match")
      if (end >= 0) {
        this.#borders[0] = start
        this.#borders[1] = end
        return this.#borders
      }
      if (sticky) return undefined
    }
    return undefined
  }

  /** Where a match ends that begins at a place, or -1. `asks`: of what is a match, whether there is one, or its groups. */
  #match(instruction: number, start: number, asks: "match" | "whether" | "groups"): number {
    const { instructions } = this.#program
    const [text, ways, path, visited, won] = [this.#text, this.#ways, this.#path, this.#visited, this.#won]
    const [remembers, most, whether] = [this.#remembers, limit("pattern-steps"), asks === "whether"]
    const [firstWay, firstOfPath] = [ways.length, path.length]
    // `read`: how many of the loops around whose body can be empty have read something in this iteration
    let [at, place, read, steps] = [instruction, start, 0, this.#steps]
    for (;;) {
      if (++steps > most) throw this.#tooLong()
      const step = instructions[at]!
      let failed = false
      at++
      switch (step.op) {
        case op.one: {
          const character = text.codePointAt(place)
          failed = character === undefined || !step.set.has(character)
          if (failed) break
          place += character! > 0xffff ? 2 : 1
          read = step.depth
          break
        }
        case op.oneBefore: {
          const character = characterBefore(text, place)
          failed = character === undefined || !step.set.has(character)
          if (failed) break
          place -= character! > 0xffff ? 2 : 1
          read = step.depth
          break
        }
        case op.split:
        case op.join:
          if (step.bit >= 0) {
            const bit = step.bit + read
            if (whether && won.has(place, bit)) {
              this.#steps = steps
              return this.#succeeded(place, asks, firstWay, firstOfPath)
            }
            if (remembers) {
              failed = visited.has(place, bit)
              if (failed) break
              steps += visited.set(place, bit)
              path.push2(place, bit)
            }
          }
          if (step.op === op.split) {
            ways.push2(step.second, place)
            ways.push2(read, path.length)
            at = step.first
          }
          break
        case op.jump:
          at = step.first
          break
        case op.save:
          this.#save(step.slot, place)
          break
        case op.clear:
          for (let slot = step.first; slot < step.second; slot++) this.#save(slot, -1)
          break
        case op.enter:
          read = Math.min(read, step.depth)
          break
        case op.leave:
          failed = read <= step.depth
          read = step.depth
          break
        case op.edge:
          failed = !isEdge(step.edge, text, place)
          break
        case op.look: {
          this.#steps = steps
          const there = this.#match(at, place, step.captures ? "groups" : "whether") >= 0
          steps = this.#steps
          failed = there === step.negative
          at = step.first
          break
        }
        case op.match:
          this.#steps = steps
          return this.#succeeded(place, asks, firstWay, firstOfPath)
      }
      if (!failed) continue
      if (!this.#back(firstWay)) {
        path.length = firstOfPath
        this.#steps = steps
        return -1
      }
      ways.length -= 4
      at = ways.at(ways.length)
      place = ways.at(ways.length + 1)
      read = ways.at(ways.length + 2)
      path.length = ways.at(ways.length + 3)
    }
  }

  #tooLong() {
    const length = wholeNumber(this.#text.length)
    return new UnboundedPattern(`takes, on a text of ${length} characters, more than ${overLimit("pattern-steps")}`)
  }

  /** The places on the way to a match have not failed. */
  #succeeded(place: number, asks: "match" | "whether" | "groups", firstWay: number, firstOfPath: number): number {
    const [ways, path] = [this.#ways, this.#path]
    for (let i = firstOfPath; i < path.length; i += 2) {
      const [passed, bit] = [path.at(i), path.at(i + 1)]
      this.#visited.delete(passed, bit)
      if (asks === "whether") this.#steps += this.#won.set(passed, bit)
    }
    path.length = firstOfPath
    if (asks !== "groups") {
      ways.length = firstWay
      return place
    }
    // a lookaround is not entered again, but what surrounds it may have to take back its groups
    const all = ways.length
    ways.length = firstWay
    for (let i = firstWay; i < all; i += 4) if (ways.at(i) < 0) this.#keep(ways.at(i), ways.at(i + 1))
    return place
  }

  #save(slot: number, border: number): void {
    this.#keep(-1 - slot, this.#borders[slot]!)
    this.#borders[slot] = border
  }

  #keep(slot: number, border: number): void {
    this.#ways.push2(slot, border)
    this.#ways.push2(0, 0)
  }

  /** Restores groups back to the last untried alternative; returns false without one. */
  #back(firstWay: number): boolean {
    const ways = this.#ways
    while (ways.length > firstWay) {
      const top = ways.length - 4
      const way = ways.at(top)
      if (way >= 0) return true
      this.#borders[-1 - way] = ways.at(top + 1)
      ways.length = top
    }
    return false
  }
}

const characterBefore = (text: string, place: number): number | undefined => {
  if (place === 0) return undefined
  const pair = place > 1 ? text.codePointAt(place - 2)! : 0
  return pair > 0xffff ? pair : text.charCodeAt(place - 1)
}

const isWord = (character: number | undefined): boolean => character !== undefined && wordCharacters.has(character)

const isEdge = (edge: Edge, text: string, place: number): boolean => {
  switch (edge) {
    case "start":
      return place === 0
    case "end":
      return place === text.length
    default: {
      const between = isWord(characterBefore(text, place)) !== isWord(text.codePointAt(place))
      return between === (edge === "word")
    }
  }
}
