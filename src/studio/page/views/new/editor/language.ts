/** What an editor of plans says: problems, completion and hover text by the JSON Schema, as VS Code has them. */
import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  startCompletion
} from "@codemirror/autocomplete"
import type { Diagnostic } from "@codemirror/lint"
import type { Text } from "@codemirror/state"
import {
  type ASTNode,
  type CompletionItem,
  type CompletionList,
  getLanguageService,
  type Hover,
  type JSONSchema,
  TextDocument
} from "vscode-json-languageservice"

const PLACE = "studio://plan.json"

export interface Language {
  readonly problems: (doc: Text) => Promise<ReadonlyArray<Diagnostic>>
  readonly completions: (context: CompletionContext) => Promise<CompletionResult | null>
  /** what is known of the word at a place, as plain text */
  readonly hover: (
    doc: Text,
    at: number
  ) => Promise<{ readonly from: number; readonly to: number; readonly text: string } | null>
  /** where the value at a path of the plan is: that of the nearest value above it, where it is none */
  readonly rangeOf: (doc: Text, path: string) => { readonly from: number; readonly to: number }
}

const plain = (documentation: CompletionItem["documentation"] | Hover["contents"]): string => {
  if (documentation === undefined) return ""
  if (typeof documentation === "string") return documentation
  if (Array.isArray(documentation)) return documentation.map((one) => plain(one)).join("\n")
  return documentation.value
}

/** A snippet as a text: what stands at its first place, "$1" or "${1:8}", is selected, to be typed over. */
const snippetOf = (snippet: string): { readonly text: string; readonly from: number; readonly to: number } => {
  const [place, preset = ""] = /\$(?:\{1:((?:[^}\\]|\\.)*)\}|1)/.exec(snippet) ?? []
  const plain = (text: string) => text.replace(/\$\{\d+:((?:[^}\\]|\\.)*)\}|\$\d+/g, "$1").replace(/\\([\\$}])/g, "$1")
  const text = plain(snippet)
  if (place === undefined) return { text, from: text.length, to: text.length }
  const from = plain(snippet.slice(0, snippet.indexOf(place))).length
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
      const found = await service.doValidation(document, json, {
        schemaValidation: "error",
        comments: "error",
        trailingCommas: "error"
      })
      return found.map(({ range, message, severity }) => ({
        from: document.offsetAt(range.start),
        to: Math.max(document.offsetAt(range.end), document.offsetAt(range.start)),
        severity: severity === 1 ? "error" : "warning",
        message: plain(message)
      }))
    },
    completions: async (context) => {
      const { state, pos, explicit } = context
      const { document, json } = opened(state.doc)
      const found: CompletionList | null = await service.doComplete(document, document.positionAt(pos), json)
      if (found === null || found.items.length === 0) return null
      const options = found.items.map((item): Completion => {
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
      const found = await service.doHover(document, document.positionAt(at), json)
      if (found?.range === undefined) return null
      const text = plain(found.contents)
      return text === ""
        ? null
        : { from: document.offsetAt(found.range.start), to: document.offsetAt(found.range.end), text }
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
