/**
 * Finds the rows of a JSON file. A single pass over its bytes finds the lists that may contain them, for files of any size:
 *
 *   [ {…}, {…} ]                         the file is the list
 *   { "version": 1, "data": [ {…} ] }    an object contains it, possibly nested
 *   {…} {…}                              JSON lines under another name
 */
import * as Effect from "effect/Effect"
import { cut, limit, listed, overLimit } from "../../boundary/index.ts"
import { type DataError, dataError } from "../data-error.ts"
import type { DataFile } from "../file.ts"
import { chunkBytes } from "../packed-file.ts"
import type { Position, RecordEnds } from "../records.ts"

const [quote, comma, colon, backslash, newline] = [34, 44, 58, 92, 10]
const [openList, closeList, openObject, closeObject] = [91, 93, 123, 125]

const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13)

/** A list that is not inside another one. */
interface FoundList {
  /** keys of the objects around it */
  readonly keys: ReadonlyArray<string>
  /** position of its first element */
  readonly from: Position
  /** offset of its closing bracket */
  readonly end: number
  /** whether its first element is an object */
  readonly hasObjects: boolean
}

interface Outline {
  /** whether the file consists of consecutive objects */
  readonly isLines: boolean
  readonly lists: ReadonlyArray<FoundList>
}

// maximum number of objects around a list, of bytes of a key, and of lists
const [deepest, longestKey, mostLists] = [2, 200, 1_000]

interface OpenList extends Omit<FoundList, "end"> {
  readonly depth: number
}

/** Returns the lists of a file. Fails if it contains something else, or is incomplete. */
export const outlineOf = (file: DataFile, start: Position): Effect.Effect<Outline, DataError> =>
  Effect.gen(function* () {
    const scanner = scannerOf(file, start)
    for (let at = start.offset; at < file.size; at += chunkBytes) {
      const outcome = scanner.scan(yield* file.read(at, Math.min(chunkBytes, file.size - at)))
      if (outcome !== undefined) return yield* outcome
    }
    return yield* scanner.finish()
  })

const scannerOf = (file: DataFile, start: Position) => {
  const lists: Array<FoundList> = []
  const keys: Array<string> = []
  /** brackets open outside of lists */
  const open: Array<number> = []
  let { offset, line } = start
  let depth = 0
  let isString = false
  let isEscaped = false
  let text: Array<number> = []
  let key = ""
  let list: OpenList | undefined
  /** whether the first element of a list has not been read yet */
  let isBeginning = false
  let isWhole = false

  const broken = (reason: string) => Effect.fail(dataError(`${file.name}:${line}`, reason))
  const noJson =
    "this is not JSON; expected a list of objects; if the rows have another format, name the file .jsonl or .csv"

  const inString = (byte: number): void => {
    if (list === undefined && text.length < longestKey) text.push(byte)
    if (isEscaped) isEscaped = false
    else if (byte === backslash) isEscaped = true
    else if (byte === quote) {
      isString = false
      text.pop()
    }
  }

  const closed = (byte: number) => {
    if (list !== undefined && depth === list.depth) {
      if (byte !== closeList) return broken("the list of rows ends with }; expected ]")
      const { depth: _, ...rest } = list
      lists.push({ ...rest, end: offset })
      list = undefined
    } else if (list === undefined && open.at(-1) !== byte - 2)
      return broken("found a closing bracket without an opening one")
    if (list === undefined) {
      open.pop()
      keys.length = Math.min(keys.length, Math.max(0, open.length - 1))
    }
    depth--
    isWhole = depth === 0
    return undefined
  }

  const opened = (byte: number) => {
    depth++
    if (list !== undefined) return undefined
    if (depth > limit("json-depth")) return broken(`nests deeper than ${overLimit("json-depth")}`)
    if (lists.length > mostLists) return broken(`more than ${mostLists} lists may hold rows`)
    if (open.length > 0) keys[open.length - 1] = key
    open.push(byte)
    const isInObjects = open.slice(0, -1).every((opener) => opener === openObject)
    if (byte === openList && isInObjects && depth <= deepest + 1) isBeginning = true
    return undefined
  }

  const began = (byte: number): void => {
    isBeginning = false
    const path = keys.slice(0, open.length - 1)
    list = { keys: path, from: { offset, line }, depth, hasObjects: byte === openObject }
  }

  /** Classifies the file by a byte outside of strings, if that determines it. */
  const outside = (byte: number): Effect.Effect<Outline, DataError> | undefined => {
    if (byte === newline) line++
    if (isSpace(byte)) return undefined
    if (isWhole) {
      if (lists.every(({ keys: listKeys }) => listKeys.length > 0) && byte === openObject)
        return Effect.succeed({ isLines: true, lists })
      return broken("more text follows after the JSON value")
    }
    if (isBeginning) began(byte)
    if (byte === quote) {
      isString = true
      text = []
    } else if (byte === openList || byte === openObject) return opened(byte)
    else if (depth === 0) return broken(noJson)
    else if (byte === closeList || byte === closeObject) return closed(byte)
    else if (byte === colon && list === undefined) key = new TextDecoder().decode(Uint8Array.from(text))
    return undefined
  }

  return {
    scan: (bytes: Uint8Array): Effect.Effect<Outline, DataError> | undefined => {
      for (let at = 0; at < bytes.length; at++, offset++) {
        const byte = bytes[at]!
        if (isString) inString(byte)
        else {
          const outcome = outside(byte)
          if (outcome !== undefined) return outcome
        }
      }
      return undefined
    },
    finish: (): Effect.Effect<Outline, DataError> => {
      if (isWhole) return Effect.succeed({ isLines: false, lists })
      const unclosed = list === undefined ? "a value" : "the list of its rows"
      return broken(`the file ends inside ${unclosed}; is it complete?`)
    }
  }
}

const nameOf = ({ keys }: FoundList): string => `"${cut(keys.join("."), 60)}"`

/** Returns the list with the rows: the file itself, or else the only list of objects at the lowest depth. */
export const rowsList = ({ lists }: Outline): FoundList | { readonly problem: string } => {
  const topLevel = lists.find(({ keys }) => keys.length === 0)
  if (topLevel !== undefined) return topLevel
  const ofObjects = lists.filter(({ hasObjects }) => hasObjects)
  const least = Math.min(...ofObjects.map(({ keys }) => keys.length))
  const [list, ...more] = ofObjects.filter(({ keys }) => keys.length === least)
  const names = (some: ReadonlyArray<FoundList>) => listed(some.map(nameOf), 5).join(", ")
  if (list === undefined) {
    const otherLists = lists.length === 0 ? "" : ` (the lists ${names(lists)} have none)`
    return {
      problem: `the file is a single object without a list of objects${otherLists}; expected rows as [ {…}, {…} ]`
    }
  }
  if (more.length === 0) return list
  return {
    problem: `its rows could be any of several lists: ${names([list, ...more])}; write each list to a separate file`
  }
}

/** Returns the rule for the ends of records: an element's bytes end where the next one begins, after the comma and the following white space. */
export const elementEnds = (): RecordEnds => {
  let depth = 0
  let state: "plain" | "string" | "escape" | "after" = "plain"
  const step = (byte: number): typeof state => {
    if (state === "escape") return "string"
    if (state === "string") return byte === backslash ? "escape" : byte === quote ? "plain" : "string"
    if (byte === quote) return "string"
    if (byte === openList || byte === openObject) depth++
    if (byte === closeList || byte === closeObject) depth--
    return byte === comma && depth === 0 ? "after" : "plain"
  }
  return (bytes, from) => {
    for (let at = from; at < bytes.length; at++) {
      if (state === "after" && !isSpace(bytes[at]!)) {
        state = "plain"
        return at
      }
      if (state !== "after") state = step(bytes[at]!)
    }
    return -1
  }
}
