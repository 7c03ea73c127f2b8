/** The editor of plans as JSON. Loaded when it is asked for: most plans are made without it. */
import {
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion
} from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands"
import { json } from "@codemirror/lang-json"
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language"
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint"
import { EditorState, type Text } from "@codemirror/state"
import { drawSelection, EditorView, hoverTooltip, keymap, lineNumbers } from "@codemirror/view"
import { tags } from "@lezer/highlight"
import {
  type ASTNode,
  type CompletionItem,
  type CompletionList,
  getLanguageService,
  type Hover,
  type JSONSchema,
  TextDocument
} from "vscode-json-languageservice"
import type { PlanProblem } from "../../../../protocol/index.ts"

/** What an editor of plans says: problems, completion and hover text by the JSON Schema, as VS Code has them. */
const PLACE = "studio://plan.json"

export interface Language {
  readonly problems: (doc: Text) => Promise<ReadonlyArray<Diagnostic>>
  readonly completions: (context: CompletionContext) => Promise<CompletionResult | null>
  /** documentation of the word at a position, as plain text */
  readonly hover: (
    doc: Text,
    at: number
  ) => Promise<{ readonly from: number; readonly to: number; readonly text: string } | null>
  /** position of the value at a path; of the nearest parent if it is missing */
  readonly rangeOf: (doc: Text, path: string) => { readonly from: number; readonly to: number }
}

const plain = (documentation: CompletionItem["documentation"] | Hover["contents"]): string => {
  if (documentation === undefined) return ""
  if (typeof documentation === "string") return documentation
  if (Array.isArray(documentation)) return documentation.map((part) => plain(part)).join("\n")
  return documentation.value
}

/** A snippet as text with its first placeholder, "$1" or "${1:8}", selected. */
const snippetOf = (snippet: string): { readonly text: string; readonly from: number; readonly to: number } => {
  const [placeholder, preset = ""] = /\$(?:\{1:((?:[^}\\]|\\.)*)\}|1)/.exec(snippet) ?? []
  const plain = (text: string) => text.replace(/\$\{\d+:((?:[^}\\]|\\.)*)\}|\$\d+/g, "$1").replace(/\\([\\$}])/g, "$1")
  const text = plain(snippet)
  if (placeholder === undefined) return { text, from: text.length, to: text.length }
  const from = plain(snippet.slice(0, snippet.indexOf(placeholder))).length
  return { text, from, to: from + plain(preset).length }
}

export const languageOf = (schema: object): Language => {
  const service = getLanguageService({
    clientCapabilities: { textDocument: { completion: { completionItem: { documentationFormat: ["plaintext"] } } } }
  })
  service.configure({
    validate: true,
    schemas: [{ uri: "studio://schema.json", fileMatch: ["*"], schema: schema as JSONSchema }]
  })
  const opened = (doc: Text) => {
    const document = TextDocument.create(PLACE, "json", 1, doc.toString())
    return { document, json: service.parseJSONDocument(document) }
  }
  return {
    problems: async (doc) => {
      const { document, json } = opened(doc)
      const diagnostics = await service.doValidation(document, json, {
        schemaValidation: "error",
        comments: "error",
        trailingCommas: "error"
      })
      return diagnostics.map(({ range, message, severity }) => ({
        from: document.offsetAt(range.start),
        to: Math.max(document.offsetAt(range.end), document.offsetAt(range.start)),
        severity: severity === 1 ? "error" : "warning",
        message: plain(message)
      }))
    },
    completions: async (context) => {
      const { state, pos, explicit } = context
      const { document, json } = opened(state.doc)
      const completions: CompletionList | null = await service.doComplete(document, document.positionAt(pos), json)
      if (completions === null || completions.items.length === 0) return null
      const options = completions.items.map((item): Completion => {
        const edit = item.textEdit
        const [from, to] =
          edit !== undefined && "range" in edit
            ? [document.offsetAt(edit.range.start), document.offsetAt(edit.range.end)]
            : [pos, pos]
        const inserted = snippetOf(edit?.newText ?? item.insertText ?? item.label)
        return {
          label: item.label,
          ...(plain(item.documentation) === "" ? {} : { info: plain(item.documentation) }),
          type: item.kind === 10 ? "property" : "constant",
          apply: (view) => {
            const selection = { anchor: from + inserted.from, head: from + inserted.to }
            view.dispatch({ changes: { from, to, insert: inserted.text }, selection, userEvent: "input.complete" })
            // the values that may stand there, once this completion is over
            if (item.command !== undefined) setTimeout(() => startCompletion(view))
          }
        }
      })
      const word = context.matchBefore(/["\w.-]*/)
      if (!explicit && (word === null || word.from === word.to)) return null
      const typed = (word?.text ?? "").replaceAll('"', "").toLowerCase()
      const fitting = options.filter(({ label }) => label.toLowerCase().includes(typed))
      return { from: word?.from ?? pos, options: fitting.length > 0 ? fitting : options, filter: false }
    },
    hover: async (doc, at) => {
      const { document, json } = opened(doc)
      const hover = await service.doHover(document, document.positionAt(at), json)
      if (hover?.range === undefined) return null
      const text = plain(hover.contents)
      return text === ""
        ? null
        : { from: document.offsetAt(hover.range.start), to: document.offsetAt(hover.range.end), text }
    },
    rangeOf: (doc, path) => {
      const { json } = opened(doc)
      const { root } = json as unknown as { readonly root?: ASTNode }
      let node = root
      for (const key of path === "" ? [] : path.split(".")) {
        const next =
          node?.type === "object"
            ? node.properties.find(({ keyNode }) => keyNode.value === key)?.valueNode
            : node?.type === "array"
              ? node.items[Number(key)]
              : undefined
        if (next === undefined) break
        node = next
      }
      return node === undefined ? { from: 0, to: 0 } : { from: node.offset, to: node.offset + node.length }
    }
  }
}

export interface PlanEditor {
  /** Another text from elsewhere. */
  readonly show: (text: string) => void
  /** Problems of the plan, in addition to those of the schema. */
  readonly mark: (problems: ReadonlyArray<PlanProblem>) => void
  /** Puts the cursor where a path of the plan is. */
  readonly lead: (path: string) => void
  readonly end: () => void
}

// colours of the page, which follow the reader's scheme
const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.propertyName, color: "var(--tint)" },
    { tag: tags.string, color: "var(--good)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" }
  ])
)

const look = EditorView.theme({
  "&": {
    border: "1px solid var(--edge)",
    borderRadius: "var(--radius)",
    backgroundColor: "var(--paper)",
    color: "var(--ink)"
  },
  "&.cm-focused": { outline: "2px solid var(--tint)", outlineOffset: "2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", fontSize: "0.875rem", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--tint-soft)"
  },
  ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--quiet)", borderRight: "1px solid var(--line)" },
  ".cm-tooltip": {
    backgroundColor: "var(--paper)",
    color: "var(--ink)",
    border: "1px solid var(--edge)",
    borderRadius: "0.25rem",
    maxWidth: "32rem"
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--tint)", color: "var(--on-tint)" },
  ".cm-tooltip .plan-hover": { padding: "0.5rem 0.75rem", whiteSpace: "pre-wrap" },
  ".cm-completionInfo": { whiteSpace: "pre-wrap" }
})

interface EditorOptions {
  readonly parent: HTMLElement
  readonly schema: object
  readonly text: string
  /** called with the text whenever it was changed in the editor */
  readonly change: (text: string) => void
  readonly label: string
}

const WAIT = 250 // milliseconds after the last letter

export const openEditor = ({ parent, schema, text, change, label }: EditorOptions): PlanEditor => {
  const language = languageOf(schema)
  let isOurs = false
  let planProblems: ReadonlyArray<PlanProblem> = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = 0
  /** Problems of the schema, and of the plan as a whole where the schema has nothing against it. */
  const judge = async () => {
    round += 1
    const thisRound = round
    const { doc } = view.state
    const diagnostics = await language.problems(doc)
    if (thisRound !== round) return
    const all: ReadonlyArray<Diagnostic> =
      diagnostics.length > 0
        ? diagnostics
        : planProblems.map(({ path, message }) => ({ ...language.rangeOf(doc, path), severity: "error", message }))
    view.dispatch(setDiagnostics(view.state, all))
  }
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        lintGutter(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ override: [language.completions], icons: false }),
        json(),
        colours,
        look,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
        hoverTooltip(async (editor, at) => {
          const hover = await language.hover(editor.state.doc, at)
          if (hover === null) return null
          const dom = document.createElement("div")
          dom.className = "plan-hover"
          dom.textContent = hover.text
          return { pos: hover.from, end: hover.to, above: true, create: () => ({ dom }) }
        }),
        // Tab leaves the editor, as it does any other field
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
        EditorView.updateListener.of(({ docChanged, state }) => {
          if (!docChanged) return
          clearTimeout(timer)
          timer = setTimeout(judge, WAIT)
          if (!isOurs) change(state.doc.toString())
        })
      ]
    })
  })
  void judge()
  return {
    show: (next) => {
      const { doc } = view.state
      if (doc.toString() === next) return
      isOurs = true
      view.dispatch({ changes: { from: 0, to: doc.length, insert: next } })
      isOurs = false
    },
    mark: (problems) => {
      planProblems = problems
      void judge()
    },
    lead: (path) => {
      const { from } = language.rangeOf(view.state.doc, path)
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) })
      view.focus()
    },
    end: () => {
      clearTimeout(timer)
      view.destroy()
    }
  }
}
