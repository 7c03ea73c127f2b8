/**
 * The pages for people, cut into what a reader would paste: fenced blocks, the commands in them, and what a page says that they print.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

export const repository = join(import.meta.dir, "..", "..")

/** Every page whose blocks have to work as they stand. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  "CONTRIBUTING.md",
  ...["docs/*.md", "examples/README.md", "examples/*/README.md"].flatMap((pattern) => [
    ...new Bun.Glob(pattern).scanSync(repository)
  ])
].sort()

export interface Block {
  readonly page: string
  /** of its first line of text in the page, from 1 */
  readonly line: number
  /** what stands after the fence; "" where nothing does */
  readonly language: string
  readonly text: string
}

const fence = /^(`{3,})(.*)\n([\s\S]*?)^\1$/gm

/** The fenced blocks of a page's text, in order. */
export const blocksIn = (page: string, text: string): ReadonlyArray<Block> =>
  [...text.matchAll(fence)].map(({ index, 2: language, 3: block }) => ({
    page,
    line: text.slice(0, index).split("\n").length + 1,
    language: language!.trim(),
    text: block!
  }))

export const blocksOf = (page: string): ReadonlyArray<Block> =>
  blocksIn(page, readFileSync(join(repository, page), "utf8"))

/** The code in the sentences of a page. */
export const codeInSentences = (page: string): ReadonlyArray<{ readonly line: number; readonly text: string }> => {
  const lines = readFileSync(join(repository, page), "utf8").replace(fence, (block) => block.replace(/.*/g, ""))
  return lines
    .split("\n")
    .flatMap((text, at) => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => ({ line: at + 1, text: code! })))
}

export const allBlocks: ReadonlyArray<Block> = pages.flatMap(blocksOf)

/** Where a block is, as an editor opens it. */
export const placeOf = ({ page, line }: { readonly page: string; readonly line: number }): string => `${page}:${line}`

/** A line of shell that a page shows, with what the page says it prints. */
export interface Shown {
  readonly page: string
  readonly line: number
  /** as it stands, continued lines joined by their newlines, without its comment */
  readonly text: string
  /** the lines after it up to the next command; undefined in blocks that show no output */
  readonly output: ReadonlyArray<string> | undefined
}

/** A page's languages that are shell. */
const SHELL = ["sh", "bash"]

/** Is this the start of what somebody typed, in a block of a terminal? */
const PROMPT = "$ "

export const isTerminal = ({ language, text }: Block): boolean =>
  language === "" && text.split("\n").some((line) => line.startsWith(PROMPT))

/** Is it a program, with whatever results its comments show? */
export const isProgram = ({ language }: Block): boolean => ["ts", "js", "python"].includes(language)

/** Its lines, with those that a backslash or an open quote continues. */
const logicalLines = (lines: ReadonlyArray<string>): ReadonlyArray<{ readonly at: number; readonly text: string }> => {
  const all: Array<{ at: number; text: string }> = []
  let open: { at: number; text: string } | undefined
  for (const [at, line] of lines.entries()) {
    open = open === undefined ? { at, text: line } : { at: open.at, text: `${open.text}\n${line}` }
    if (continues(open.text)) continue
    all.push(open)
    open = undefined
  }
  return open === undefined ? all : [...all, open]
}

const continues = (text: string): boolean => {
  if (/\\$/.test(text)) return true
  const parsed = scan(text)
  return parsed.quote !== undefined
}

/** The commands of a block of shell, or of a terminal. */
export const commandsOf = (block: Block): ReadonlyArray<Shown> => {
  const lines = block.text.replace(/\n$/, "").split("\n")
  if (SHELL.includes(block.language)) {
    return logicalLines(lines).flatMap(({ at, text }) => {
      const command = withoutComment(text)
      return command === "" ? [] : [{ page: block.page, line: block.line + at, text: command, output: undefined }]
    })
  }
  if (!isTerminal(block)) return []
  const shown: Array<{ page: string; line: number; text: string; output: Array<string> }> = []
  for (const [at, line] of lines.entries()) {
    const last = shown.at(-1)
    if (line.startsWith(PROMPT))
      shown.push({ page: block.page, line: block.line + at, text: line.slice(PROMPT.length), output: [] })
    else if (last !== undefined && last.output.length === 0 && continues(last.text)) last.text += `\n${line}`
    else last?.output.push(line)
  }
  return shown.map((one) => ({ ...one, text: withoutComment(one.text), output: withoutEnds(one.output) }))
}

const withoutEnds = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [first, last] = [lines.findIndex((line) => line !== ""), lines.findLastIndex((line) => line !== "")]
  return first < 0 ? [] : lines.slice(first, last + 1)
}

/** One command of a line of shell: `A=1 bun run train x | head` has two. */
export interface Words {
  readonly env: Readonly<Record<string, string>>
  readonly words: ReadonlyArray<string>
}

interface Scanned {
  readonly commands: ReadonlyArray<Words>
  /** where a command begins that is run after the one before has ended well */
  readonly after: ReadonlyArray<{ readonly end: number; readonly next: number }>
  readonly quote: string | undefined
  /** where a comment begins */
  readonly end: number
}

/** Words, quotes, comments and operators of shell, as far as pages use them. */
const scan = (text: string): Scanned => {
  const commands: Array<Array<string>> = [[]]
  let word: string | undefined
  let quote: string | undefined
  const after: Array<{ end: number; next: number }> = []
  let skipNext = false // the file after > or < is no word
  let end = text.length
  const finish = () => {
    if (word !== undefined && !skipNext) commands.at(-1)!.push(word)
    if (word !== undefined) skipNext = false
    word = undefined
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (quote !== undefined) {
      if (c === quote) quote = undefined
      else word = (word ?? "") + c
    } else if (c === "'" || c === '"') {
      quote = c
      word ??= ""
    } else if (c === "\\") {
      if (text[i + 1] === "\n") finish()
      else word = (word ?? "") + (text[i + 1] ?? "")
      i++
    } else if (c === "#" && word === undefined) {
      const next = text.indexOf("\n", i)
      end = next < 0 ? i : end
      if (next < 0) break
      i = next - 1
    } else if (c === " " || c === "\t") finish()
    else if (c === ">" || c === "<") {
      if (/^\d$/.test(word ?? "")) word = undefined
      finish()
      if (text[i + 1] === ">") i++
      skipNext = true
    } else if (c === "&" || c === "|" || c === ";" || c === "\n") {
      finish()
      if (text[i + 1] === c) i++
      if (text.slice(i - 1, i + 1) === "&&") after.push({ end: i - 1, next: i + 1 })
      commands.push([])
    } else word = (word ?? "") + c
  }
  finish()
  return {
    commands: commands.filter((words) => words.length > 0).map(withEnvironment),
    after,
    quote,
    end
  }
}

/** Words that only hold commands together. */
const KEYWORDS = ["then", "else", "fi", "do", "done"]

const withEnvironment = (words: ReadonlyArray<string>): Words => {
  const rest = words[0] !== undefined && KEYWORDS.includes(words[0]) ? words.slice(1) : words
  const first = rest.findIndex((word) => !/^[A-Z_][A-Z0-9_]*=/.test(word))
  const assigned = first < 0 ? rest : rest.slice(0, first)
  const pairs = assigned.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)])
  return { env: Object.fromEntries(pairs), words: first < 0 ? [] : rest.slice(first) }
}

/** The commands of a line. */
export const wordsOf = (text: string): ReadonlyArray<Words> =>
  scan(text).commands.filter(({ words }) => words.length > 0)

/** `a && b | c` is two that can be run one after the other: `a`, and `b | c`. */
export const stepsOf = (text: string): ReadonlyArray<string> => {
  const { after } = scan(text)
  const [starts, ends] = [
    [0, ...after.map(({ next }) => next)],
    [...after.map(({ end }) => end), text.length]
  ]
  return starts.map((start, i) => text.slice(start, ends[i]).trim())
}

const withoutComment = (text: string): string => text.slice(0, scan(text).end).trim()

/** Every command of every page. */
export const allCommands: ReadonlyArray<Shown> = allBlocks.flatMap(commandsOf)
