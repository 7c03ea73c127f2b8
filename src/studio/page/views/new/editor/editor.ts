/** The editor of plans as JSON. Loaded when it is asked for: most plans are made without it. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands"
import { json } from "@codemirror/lang-json"
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language"
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint"
import { EditorState } from "@codemirror/state"
import { drawSelection, EditorView, hoverTooltip, keymap, lineNumbers } from "@codemirror/view"
import { tags } from "@lezer/highlight"
import type { PlanProblem } from "../../../../protocol/index.ts"
import { languageOf } from "./language.ts"

export interface PlanEditor {
  /** Another text from elsewhere. */
  readonly show: (text: string) => void
  /** What is wrong with the plan, beside what the schema says. */
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
  let others: ReadonlyArray<PlanProblem> = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = 0
  /** Problems of the schema, and of the plan as a whole where the schema has nothing against it. */
  const judge = async () => {
    round += 1
    const own = round
    const { doc } = view.state
    const found = await language.problems(doc)
    if (own !== round) return
    const all: ReadonlyArray<Diagnostic> =
      found.length > 0
        ? found
        : others.map(({ path, message }) => ({ ...language.rangeOf(doc, path), severity: "error", message }))
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
        hoverTooltip(async (shown, at) => {
          const found = await language.hover(shown.state.doc, at)
          if (found === null) return null
          const dom = document.createElement("div")
          dom.className = "plan-hover"
          dom.textContent = found.text
          return { pos: found.from, end: found.to, above: true, create: () => ({ dom }) }
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
      others = problems
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
