/**
 * The words that a user reads: strings, JSX text, docstrings of exported names and headers of index.ts, and the prose of the pages.
 *
 *   bun scripts/words.ts [folder or page …]   lists phrases to avoid, with their places and what to write instead
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Glob } from "bun"
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast"
import { API } from "typescript/unstable/async"

const repository = join(import.meta.dir, "..")

/** Phrases to avoid, and what to write instead. A space also matches line breaks; matching is case-insensitive. */
const phrases: ReadonlyArray<{
  readonly not: RegExp
  readonly use: string
  /** the kind of text that the pattern is about: all, unless it names one */
  readonly only?: Text["kind"]
}> = [
  { not: /\b(trainable|million|billion) numbers\b/, use: "parameters" },
  { not: /\b(is|are|was|were) none\b/, use: "there is no X, not an X, invalid, missing" },
  { not: /(?<!\bthere )\bis no (?!longer|more|less|fewer|better|worse)[a-z]/, use: "is not a, not a valid" },
  { not: /\bgo(es)? on\b/, use: "continues, resumes" },
  { not: /\bas (it|they) (is|are|was|were)\b/, use: "unchanged, or nothing" },
  { not: /\bbeside\b/, use: "next to, alongside, in addition to, compared with" },
  { not: /\banew\b/, use: "again, from the beginning; restarts" },
  { not: /\bat hand\b/, use: "available" },
  { not: /\bnobody\b/, use: "a subject that does something" },
  { not: /\btold\b/, use: "reported, printed, shown, given" },
  { not: /\bheld against\b/, use: "compared with, checked against" },
  { not: /\bwhat it is (by|for)\b/, use: "inferred from; its purpose" },
  { not: /\bdoing nothing\b/, use: "baseline" },
  { not: /\bthe world\b/, use: "files and environment" },
  { not: /\bstands? (in|at|beside|alone)\b/, use: "is in, is at" },
  { not: /\bbehind (it|them|the)\b/, use: "after" },
  { not: /\bso many\b/, use: "the number itself; as many … as" },
  { not: /\b(which|that) (the|a) [a-z]+ is by\b/, use: "inferred from" },
  { not: /\bways out\b/, use: "exports, remedies" },
  { not: /\bof before\b/, use: "earlier" },
  { not: /\bin the place of\b/, use: "instead of" },
  { not: /\b(is|are|was|were) not there\b/, use: "does not exist, is missing" },
  { not: /\b(is|are|was|were) nothing\b/, use: "there is no X, not an X" },
  { not: /\bbefore (its|their) end\b/, use: "stopped early" },
  { not: /\bcomes? out wrong\b/, use: "misclassified rows, errors" },
  { not: /\bshares? out\b/, use: "distributes, allocates" },
  { not: /\bwrites? on\b/, use: "continues, generates" },
  { not: /\bbegins? as\b/, use: "is initialized to, starts with" },
  { not: /\b(for good|without end)\b/, use: "permanently, endless" },
  { not: /\bthat many\b/, use: "the number itself" },
  { not: /\bwhat is (asked|known|said|told)\b/, use: "the noun itself" },
  { not: /\bnothing is (asked|known|said|told)\b/, use: "who does not say or know what" },
  { not: /^(What|Where|How) [a-z ]+ (is|are|was|were)\b/, use: "the noun itself, or a verb", only: "docstring" }
]

/** Places where such a phrase is right, each with its reason. */
const allowed: ReadonlyArray<{ readonly file: string; readonly text: RegExp; readonly reason: string }> = [
  { file: "src/ranks/", text: /the world/, reason: "MPI calls all processes of a run its world" },
  { file: "src/compare/", text: /"not told apart"/, reason: "a value in verdict files, which older studies have" }
]

interface Text {
  readonly kind: "string" | "docstring" | "page"
  readonly file: string
  /** the line at which the text begins, counted from 1 */
  readonly line: number
  readonly text: string
}

const lineAt = (text: string, position: number) => text.slice(0, position).split("\n").length

/** The texts of a source: no module specifiers, an expression inside a template as `…`, docstrings without their asterisks. */
const textsOf = (file: string, source: SourceFile): ReadonlyArray<Text> => {
  const texts: Array<Text> = []
  const add = (kind: Text["kind"], start: number, text: string) => {
    const begins = start + source.text.slice(start).search(/\S/)
    texts.push({ kind, file, line: lineAt(source.text, begins), text: text.trim() })
  }
  const visit = (node: Node, isPublic: boolean): void => {
    const isReference = node.kind === SyntaxKind.ImportDeclaration || node.kind === SyntaxKind.ExportDeclaration
    // the header of an index.ts, which the reference shows, belongs to its first import
    if (isPublic || (isReference && file.endsWith("/index.ts")))
      for (const comment of node.jsDoc ?? [])
        add(
          "docstring",
          comment.pos,
          source.text
            .slice(comment.pos, comment.end)
            .replace(/^\s*\/\*\*|\*\/\s*$/g, "")
            .replace(/\n[ \t]*\*/g, "\n")
        )
    if (isReference) return
    const whole = source.text.slice(node.pos, node.end)
    switch (node.kind) {
      case SyntaxKind.StringLiteral:
      case SyntaxKind.NoSubstitutionTemplateLiteral:
      case SyntaxKind.JsxText:
        add("string", node.pos, whole)
        return
      case SyntaxKind.TemplateExpression: {
        let text = ""
        node.forEachChild((part) => {
          if (part.kind === SyntaxKind.TemplateHead) text += source.text.slice(part.pos, part.end)
          else
            part.forEachChild((inner) => {
              const ends = inner.kind === SyntaxKind.TemplateMiddle || inner.kind === SyntaxKind.TemplateTail
              if (ends) text += source.text.slice(inner.pos, inner.end)
            })
        })
        add("string", node.pos, text.replace(/\$\{\s*\}/g, "…"))
      }
    }
    node.forEachChild((child) => visit(child, isPublic && node.kind !== SyntaxKind.Block))
  }
  for (const statement of source.statements) {
    const modifiers = (statement as { readonly modifiers?: ReadonlyArray<Node> }).modifiers ?? []
    visit(
      statement,
      modifiers.some((modifier) => modifier.kind === SyntaxKind.ExportKeyword)
    )
  }
  return texts
}

/** The prose of a page: blocks of code, code inside a line and addresses left out. */
const proseOf = (markdown: string): string =>
  markdown
    .replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ""))
    .replace(/`[^`\n]+`/g, "`…`")
    .replace(/\]\([^)\n]*\)/g, "](…)")

/** The pages; docs/plan-reference.md is written from the schemas, whose strings are counted where they are. */
const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "examples/**/*.md"]

/** Reads all texts that a user can see. */
export const readTexts = async (): Promise<ReadonlyArray<Text>> => {
  // a configuration of its own that resolves nothing: the texts need the trees alone, and no types
  const folder = mkdtempSync(join(tmpdir(), "words-"))
  const config = join(folder, "tsconfig.json")
  const files = ["src", "schemas", "adapters", "scripts"].flatMap((room) => [
    ...new Glob(`${room}/**/*.{ts,tsx}`).scanSync(repository)
  ])
  writeFileSync(
    config,
    JSON.stringify({
      compilerOptions: {
        noResolve: true,
        noLib: true,
        types: [],
        allowImportingTsExtensions: true,
        noEmit: true,
        jsx: "preserve"
      },
      files: files.map((file) => join(repository, file))
    })
  )
  const api = new API({ cwd: repository })
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [config] })
    const { program } = snapshot.getProjects()[0]!
    const sources = await Promise.all(
      files.map(async (file) => textsOf(file, (await program.getSourceFile(join(repository, file)))!))
    )
    const prose = pages
      .flatMap((glob) => [...new Glob(glob).scanSync(repository)])
      // packages may be installed below examples/; docs/site has copies of the pages
      .filter((file) => file !== "docs/plan-reference.md" && !file.includes("node_modules/"))
      .map(
        (file): Text => ({ kind: "page", file, line: 1, text: proseOf(readFileSync(join(repository, file), "utf8")) })
      )
    return [...sources.flat(), ...prose]
  } finally {
    await api.close()
    rmSync(folder, { recursive: true })
  }
}

interface Finding {
  readonly file: string
  readonly line: number
  readonly phrase: string
  readonly use: string
}

/** Returns every such phrase in the texts, in order. */
export const findingsOf = (texts: ReadonlyArray<Text>): ReadonlyArray<Finding> =>
  texts.flatMap(({ kind, file, line, text }) =>
    phrases
      .filter(({ only }) => only === undefined || only === kind)
      .flatMap(({ not, use }) =>
        [...text.matchAll(new RegExp(not.source.replaceAll(" ", "\\s+"), "gi"))]
          .map((match) => ({
            file,
            line: line + lineAt(text, match.index) - 1,
            phrase: text.slice(Math.max(0, match.index - 40), match.index + match[0].length + 40).replace(/\s+/g, " "),
            use
          }))
          .filter(({ phrase }) => !allowed.some((place) => file.startsWith(place.file) && place.text.test(phrase)))
      )
  )

if (import.meta.main) {
  const places = process.argv.slice(2)
  for (const { file, line, phrase, use } of findingsOf(await readTexts()))
    if (places.length === 0 || places.some((place) => file.startsWith(place)))
      console.log(`${file}:${line}: …${phrase}… → ${use}`)
}
