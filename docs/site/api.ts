/**
 * The API reference: a page of Markdown for each entry of package.json's `exports`, made by TypeDoc from the docstrings
 * (`bun docs/site/api.ts OUT`; scripts/docs.ts calls it). A new entry of `exports` appears by itself.
 *
 * TypeDoc needs a TypeScript with an API in JavaScript, which the repository's own is not: so it lives in this folder's package.
 *
 * Writes `api.json` beside the pages: the entries in order, and the public names, and the fields of what they are, that have no docstring.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import {
  Application,
  Comment,
  type CommentDisplayPart,
  Converter,
  type DeclarationReflection,
  ParameterReflection,
  type ProjectReflection,
  ReferenceType,
  type Reflection,
  ReflectionGroup,
  ReflectionKind
} from "typedoc"
import ts from "typescript"

const repository = join(import.meta.dirname, "..", "..")
const manifest: { readonly name: string; readonly exports: { readonly [entry: string]: string } } = JSON.parse(
  readFileSync(join(repository, "package.json"), "utf8")
)

/** In the order of package.json, which the sidebar has: the package itself first. */
const inOrder = Object.entries(manifest.exports)
  .filter(([, file]) => file.endsWith(".ts"))
  .map(([entry, file]) => ({ name: entry.replace(/^\./, manifest.name), entry, file: join(repository, file) }))

/** What two entries export is described with the first of them: rooms before the package itself, which names them all, and a page last. */
const last = [".", "./browser"]
const entries = inOrder.toSorted((a, b) => last.indexOf(a.entry) - last.indexOf(b.entry))

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

const declarations = new Map<Reflection, ReadonlyArray<ts.Declaration>>()
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
  declarations.set(reflection, context.getSymbolFromReflection(reflection)?.declarations ?? [])
})
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
  // a reader starts with the names that the entry's own text mentions, in its order
  const head = headOf(file).split(/^ {2}/m)[0]!
  const mentioned = [...new Set([...head.matchAll(/`(\w+)`/g)].map(([, word]) => word!))]
  const first = mentioned.flatMap((word) => module.children?.filter((child) => child.name === word) ?? [])
  if (first.length === 0 || module.groups === undefined) continue
  for (const group of module.groups)
    group.children = group.children.filter((child) => !first.some((one) => one === child))
  const start = new ReflectionGroup("Start here", module)
  start.children = first
  module.groups = [start, ...module.groups.filter(({ children }) => children.length > 0)]
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
  [reflection, reflection.getSignature, ...(reflection.signatures ?? [])].some(
    (one) => one?.comment?.hasVisibleComponent() === true
  )

const names = project
  .getReflectionsByKind(described)
  .filter(
    (one): one is DeclarationReflection =>
      one.parent?.kindOf(ReflectionKind.SomeModule) === true && one.parent.name !== NOT_EXPORTED
  )
// a schema and its type have one name, and one docstring
const told = new Set(names.filter(isTold).map((one) => one.getFullName()))
const undocumented = [...new Set(names.map((one) => one.getFullName()).filter((name) => !told.has(name)))].sort()

// Fields without a docstring: of exported interfaces, classes and type literals, of the options of functions, and of the schemas of errors

/** Part of what an entry exports, and no constraint of a type parameter. */
const isPublic = (reflection: Reflection): boolean => {
  for (let one: Reflection | undefined = reflection; one !== undefined; one = one.parent)
    if (one.name === NOT_EXPORTED || one.kindOf(ReflectionKind.TypeParameter)) return false
  return true
}

/** In a table, a constant that is an object: the type that the table satisfies describes its rows. */
const isInTable = (node: ts.Node): boolean => {
  let one = node
  while (!ts.isObjectLiteralElement(one)) {
    if (one.parent === undefined) return false
    one = one.parent
  }
  while (
    ts.isObjectLiteralElement(one) ||
    ts.isObjectLiteralExpression(one) ||
    ts.isAsExpression(one) ||
    ts.isSatisfiesExpression(one)
  )
    one = one.parent
  return ts.isVariableDeclaration(one)
}

/** What needs no docstring of its own. */
const saysAll = (node: ts.Declaration): boolean =>
  // it has that of what it overrides
  (ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.OverrideKeyword) === true) ||
  // a tag has one value, which tells the members of a union apart
  (ts.isPropertySignature(node) && node.type !== undefined && ts.isLiteralTypeNode(node.type)) ||
  isInTable(node) ||
  // the sections of plans have their descriptions, which test/schemas sees to
  (ts.isObjectLiteralElement(node) && node.getSourceFile().fileName.startsWith(join(repository, "schemas")))

/** By the place of the declaration, which a field has in common wherever it is inherited, picked or mapped. */
const fields = new Map<string, { readonly name: string; readonly told: boolean }>()
for (const kind of [ReflectionKind.Property, ReflectionKind.Accessor, ReflectionKind.Method]) {
  for (const one of project.getReflectionsByKind(kind)) {
    const [node] = declarations.get(one) ?? []
    if (!one.isDeclaration() || node === undefined || !isPublic(one) || saysAll(node)) continue
    const { fileName } = node.getSourceFile()
    if (!fileName.startsWith(repository) || fileName.includes("/node_modules/")) continue
    const place = `${fileName}:${node.getStart()}`
    const known = fields.get(place)
    fields.set(place, { name: known?.name ?? one.getFullName(), told: known?.told === true || isTold(one) })
  }
}
const undocumentedFields = [...fields.values()].flatMap(({ name, told }) => (told ? [] : [name])).sort()

app.validate(project)
await app.generateOutputs(project)
// a constructor's heading has no anchor that a link could lead to
for (const file of readdirSync(out, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"))) {
  const text = readFileSync(join(out, file), "utf8")
  writeFileSync(join(out, file), text.replace(/\[`constructor`\]\([^)]*#name-constructor\)/g, "`constructor`"))
}
writeFileSync(
  join(out, "api.json"),
  `${JSON.stringify({ entries: inOrder.map(({ name, file }) => ({ name, file: file.slice(repository.length + 1) })), names: names.length, undocumented, fields: fields.size, undocumentedFields }, null, 2)}\n`
)
if (app.logger.warningCount + app.logger.errorCount > 0) process.exit(1)
