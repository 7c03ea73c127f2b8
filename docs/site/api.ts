/**
 * The API reference: a page of Markdown for each entry of package.json's `exports`, made by TypeDoc from the docstrings
 * (`bun docs/site/api.ts OUT`; scripts/docs.ts calls it). A new entry of `exports` appears by itself.
 *
 * TypeDoc needs a TypeScript with an API in JavaScript, which the repository's own is not: so it lives in this folder's package.
 *
 * Writes `api.json` beside the pages: the entries in order, and the public names without a docstring.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import {
  Application,
  Comment,
  type CommentDisplayPart,
  type DeclarationReflection,
  ParameterReflection,
  type ProjectReflection,
  ReferenceType,
  ReflectionKind
} from "typedoc"
import ts from "typescript"

const repository = join(import.meta.dirname, "..", "..")
const manifest: { readonly name: string; readonly exports: { readonly [entry: string]: string } } = JSON.parse(
  readFileSync(join(repository, "package.json"), "utf8")
)

/** What two entries export is described with the first of them: rooms before the package itself, which names them all, and a page last. */
const last = [".", "./browser"]
const entries = Object.entries(manifest.exports)
  .filter(([, file]) => file.endsWith(".ts"))
  .map(([entry, file]) => ({ name: entry.replace(/^\./, manifest.name), entry, file: join(repository, file) }))
  .sort((a, b) => last.indexOf(a.entry) - last.indexOf(b.entry))

const out = resolve(process.argv[2] ?? "")

const app = await Application.bootstrapWithPlugins({
  entryPoints: entries.map(({ file }) => file),
  tsconfig: join(import.meta.dirname, "tsconfig.json"),
  plugin: ["typedoc-plugin-missing-exports", "typedoc-plugin-markdown"],
  skipErrorChecking: true, // `bun run check` has seen them
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableSources: true,
  sort: ["kind", "alphabetical"],
  kindSortOrder: ["Function", "Variable", "Class", "Interface", "TypeAlias", "Reference", "Namespace"],
  groupOrder: ["Functions", "Variables", "Classes", "Interfaces", "Type Aliases", "*"],
  readme: "none",
  validation: { notExported: true, invalidLink: true, notDocumented: false }
})
// A type that a signature names and that no entry exports has its fields on a page beside the entry's: an export would promise its name.
const NOT_EXPORTED = "Not exported"
app.options.setValue("internalModule", NOT_EXPORTED)
app.options.setValue("outputs", [{ name: "markdown", path: out }])
for (const [option, value] of Object.entries({
  router: "module",
  entryFileName: "index",
  hidePageHeader: true,
  hideBreadcrumbs: true,
  hidePageTitle: false,
  sanitizeComments: true,
  // what has one name but for capitals (a schema and its value) is told apart as TypeDoc does it
  useCustomAnchors: true,
  anchorPrefix: "name-",
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  classPropertiesFormat: "table",
  typeDeclarationFormat: "table",
  propertyMembersFormat: "table",
  enumMembersFormat: "table",
  indexFormat: "table"
}))
  app.options.setValue(option, value)

const points = app.getEntryPoints()
if (points === undefined) throw new Error("TypeDoc finds no entry points")
for (const point of points) {
  point.displayName = entries.find(({ file }) => file === resolve(point.sourceFile.fileName))?.name ?? point.displayName
}

/**
 * A schema's type is an alias of what the schema decodes, and TypeScript forgets the alias where it infers: a function that returns a plan
 * would show all of it, in 95 kB. The checker is told the aliases again, which TypeDoc asks.
 */
const nameInferredTypes = (program: ts.Program): void => {
  const checker = program.getTypeChecker()
  for (const file of program.getSourceFiles()) {
    if (file.fileName.includes("/node_modules/")) continue
    for (const node of file.statements) {
      if (!ts.isTypeAliasDeclaration(node) || node.typeParameters !== undefined) continue
      const symbol = checker.getSymbolAtLocation(node.name)
      if (symbol === undefined) continue
      const type = checker.getDeclaredTypeOfSymbol(symbol)
      const unnamed = type.isUnion() || type.symbol?.name === "__type" || type.symbol?.name === "__object"
      if (type.aliasSymbol === undefined && unnamed) type.aliasSymbol = symbol
    }
  }
}
for (const program of new Set(points.map((point) => point.program))) nameInferredTypes(program)

const project: ProjectReflection = app.converter.convert(points)

/** What a file says of itself at its top. */
const headOf = (file: string): string => {
  const [, text = ""] = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, "utf8")) ?? []
  const [told = ""] = text.replace(/^ *\* ?/gm, "").split(/^@/m)
  return told.trim()
}

/** Lines that are set in columns (equations, lists of forms) keep them: as a block of their own. */
const withBlocks = (text: string): string =>
  text.replace(/(^|\n\n)((?: {2,}\S.*(?:\n|$))+)/g, (_, before: string, block: string) => {
    const indent = Math.min(...[...block.matchAll(/^ +/gm)].map(([spaces]) => spaces.length))
    return `${before}\`\`\`text\n${block.trimEnd().replace(new RegExp(`^ {${indent}}`, "gm"), "")}\n\`\`\`\n`
  })

// The type of a schema says field by field what the schema is: past some size its kind is shown alone, and the plan reference has the rest.
const MOST = 1000
for (const variable of project.getReflectionsByKind(ReflectionKind.Variable)) {
  if (!variable.isDeclaration() || variable.type?.type !== "reference" || variable.type.toString().length < MOST)
    continue
  variable.type = ReferenceType.createBrokenReference(variable.type.name, project, variable.type.package)
}

// A parameter that a function takes apart has no name: it is called by its type.
for (const reflection of Object.values(project.reflections)) {
  if (!(reflection instanceof ParameterReflection) || !reflection.name.startsWith("__namedParameters")) continue
  const name = reflection.type?.type === "reference" ? reflection.type.name : "Options"
  reflection.name = name.charAt(0).toLowerCase() + name.slice(1)
}

const parts = (all: ReadonlyArray<CommentDisplayPart>): Array<CommentDisplayPart> =>
  all.map((part) => (part.kind === "text" ? { ...part, text: withBlocks(part.text) } : part))

for (const { name, file } of entries) {
  const module = project.getChildByName([name])
  if (module === undefined) throw new Error(`TypeDoc has no module ${name}`)
  module.comment ??= new Comment([{ kind: "text", text: headOf(file) }])
}
for (const reflection of Object.values(project.reflections)) {
  if (reflection.comment !== undefined) reflection.comment.summary = parts(reflection.comment.summary)
}

// Public names without a docstring

const described =
  ReflectionKind.Variable |
  ReflectionKind.Function |
  ReflectionKind.Class |
  ReflectionKind.Interface |
  ReflectionKind.TypeAlias |
  ReflectionKind.Enum

const isTold = (reflection: DeclarationReflection): boolean =>
  [reflection, ...(reflection.signatures ?? [])].some(({ comment }) => comment?.hasVisibleComponent() === true)

const names = project
  .getReflectionsByKind(described)
  .filter(
    (one): one is DeclarationReflection =>
      one.parent?.kindOf(ReflectionKind.SomeModule) === true && one.parent.name !== NOT_EXPORTED
  )
// a schema and its type have one name, and one docstring
const told = new Set(names.filter(isTold).map((one) => one.getFullName()))
const undocumented = [...new Set(names.map((one) => one.getFullName()).filter((name) => !told.has(name)))].sort()

app.validate(project)
await app.generateOutputs(project)
writeFileSync(
  join(out, "api.json"),
  `${JSON.stringify({ entries: entries.map(({ name, file }) => ({ name, file: file.slice(repository.length + 1) })), names: names.length, undocumented }, null, 2)}\n`
)
if (app.logger.warningCount + app.logger.errorCount > 0) process.exit(1)
