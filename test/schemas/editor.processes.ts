/**
 * Plans in an editor: what VS Code's JSON language server makes of the JSON Schema. The places are found in the decoder's schema:
 * every object of every kind of plan, and of each alternative of each tagged union, so that a new method is held to the same.
 */

import { describe, expect, test } from "bun:test"
import type * as SchemaAST from "effect/SchemaAST"
import { getLanguageService, type JSONSchema, MarkupContent, TextDocument } from "vscode-json-languageservice"
import { AdaptationPlan, adaptationPlanJsonSchema, planKinds, runPlanJsonSchema } from "../../schemas/index.ts"
import { literalsOf, propertyOf, tagOf } from "../../schemas/issues.ts"
import { isRecord } from "../../src/boundary/index.ts"

type Path = ReadonlyArray<string | number>

/** An object of a plan: where it is, what is set on the way there, and the schema that decodes it. */
interface Place {
  readonly path: Path
  readonly tags: ReadonlyArray<readonly [Path, unknown]>
  readonly ast: SchemaAST.Objects
}

/** The objects in `ast`. An object with a tag has it set. */
const placesIn = (ast: SchemaAST.AST, path: Path, tags: Place["tags"]): ReadonlyArray<Place> => {
  if (ast._tag === "Union") return ast.types.flatMap((type) => placesIn(type, path, tags))
  if (ast._tag === "Arrays") return ast.rest.flatMap((type) => placesIn(type, [...path, 0], tags))
  if (ast._tag !== "Objects") return []
  const own = ast.propertySignatures.flatMap(({ name, type }) =>
    type._tag === "Literal" ? [[[...path, String(name)], type.literal] as const] : []
  )
  const set = [...tags.filter(([tag]) => !own.some(([mine]) => mine.join() === tag.join())), ...own]
  return [
    { path, tags: set, ast },
    ...ast.propertySignatures.flatMap(({ name, type }) => placesIn(type, [...path, String(name)], set))
  ]
}

/** What a plan of any kind needs, so that its `data.format` alone decides its kind. */
const sound = {
  model: { source: "m" },
  data: { train: "t" },
  optimizer: { kind: "adamw", learningRate: 1e-3 },
  training: { steps: 1 }
}

const valueAt = (plan: unknown, path: Path): Record<string, unknown> | undefined =>
  path.reduce<unknown>((at, key) => (at as Record<string | number, unknown> | undefined)?.[key], plan) as
    | Record<string, unknown>
    | undefined

/** A value where `path` leads, in objects and lists that are made on the way. */
const put = (at: unknown, [first, ...rest]: Path, value: unknown): unknown => {
  if (first === undefined) return isRecord(value) ? { ...(at as object), ...value } : value
  if (typeof first === "number") return [put((at as Array<unknown> | undefined)?.[0], rest, value)]
  return { ...(at as object), [first]: put((at as Record<string, unknown> | undefined)?.[first], rest, value) }
}

const service = getLanguageService({})

const documentOf = (text: string) => {
  const document = TextDocument.create("file:///plan.json", "json", 1, text)
  return { document, json: service.parseJSONDocument(document) }
}

const said = (content: unknown): string =>
  typeof content === "string" ? content : MarkupContent.is(content) ? content.value : ""

/** Keys that are offered in an object, with what is said of each. */
const completions = async (plan: unknown) => {
  const text = JSON.stringify(plan)
  const { document, json } = documentOf(text)
  const list = await service.doComplete(document, document.positionAt(text.indexOf('"¦"') + 1), json)
  return new Map(list!.items.map(({ label, documentation }) => [label, said(documentation)]))
}

const hover = async (plan: unknown, key: string, value: unknown): Promise<string> => {
  const text = JSON.stringify(plan)
  const { document, json } = documentOf(text)
  const at = text.indexOf(`${JSON.stringify(key)}:${JSON.stringify(value)}`)
  const found = await service.doHover(document, document.positionAt(at + 1), json)
  return [found?.contents].flat().map(said).join("\n").replaceAll("\\", "")
}

const annotation = (ast: SchemaAST.AST, name: string): unknown =>
  [ast, ...(ast.checks ?? [])]
    .map(({ annotations }) => annotations?.[name])
    .filter((value) => value !== undefined)
    .at(-1)

/** A value of a field without a default: of a plan that no alternative allows a server shows any of them. */
const anyOf = ({ _tag }: SchemaAST.AST): unknown => (_tag === "Arrays" ? ["¦"] : _tag === "Number" ? 64 : "¦")

/** What the schema says of a field, or of its alternatives, of which a server shows the likeliest. */
const descriptionsIn = (ast: SchemaAST.AST): ReadonlyArray<string> => [
  String(annotation(ast, "description")),
  ...(ast._tag === "Union" ? ast.types.flatMap(descriptionsIn) : [])
]

const plans = Object.entries(planKinds).flatMap(([format, { ast }]) =>
  placesIn(ast, [], [[["data", "format"], format]]).filter(({ tags }) =>
    tags.some(([path, value]) => path.join() === "data,format" && value === format)
  )
)

describe.each([
  ["run plans", runPlanJsonSchema(), sound, plans, 80],
  ["adaptation plans", adaptationPlanJsonSchema(), {}, placesIn(AdaptationPlan.ast, [], []), 9]
] as const)("%s", (_name, schema, base, places, least) => {
  test("there are places to look at", () => expect(places.length).toBeGreaterThan(least))

  test.each(places.map((place) => [nameOf(place), place] as const))("%s", async (_where, { path, tags, ast }) => {
    service.configure({ schemas: [{ uri: "plan", fileMatch: ["*"], schema: schema as JSONSchema }] })
    const plan = tags.reduce<unknown>((made, [at, value]) => put(made, at, value), base)
    const offered = await completions(put(plan, path, { "¦": null }))
    const present = valueAt(plan, path) ?? {}
    for (const { name, type } of ast.propertySignatures) {
      const key = String(name)
      const set = Object.hasOwn(present, key)
      if (!set) expect([key, offered.get(key)]).toEqual([key, expect.stringMatching(/.{5}/)])
      if (key === "$schema") continue // a server takes what is written there for the schema itself
      const value = set ? present[key] : (annotation(type, "default") ?? anyOf(type))
      const text = await hover(set ? plan : put(plan, [...path, key], value), key, value)
      const known = descriptionsIn(type).some((description) => text.includes(description))
      expect([key, text, known || type._tag === "Literal"]).toEqual([key, expect.stringMatching(/.{5}/), true])
    }
  })
})

function nameOf({ path, tags }: Place): string {
  return `${path.join(".")} in ${tags.map(([at, value]) => `${at.join(".")}=${value}`).join(" ")}`
}

test.each([
  ["adapter", "method"],
  ["optimizer", "kind"]
] as const)("the values of %s.%s are offered, each with what it is", async (section, tag) => {
  service.configure({ schemas: [{ uri: "plan", fileMatch: ["*"], schema: runPlanJsonSchema() as JSONSchema }] })
  const ast = propertyOf(planKinds.text.ast, section)!
  expect(tagOf(ast)!.key).toBe(tag)
  const text = JSON.stringify({ data: { format: "text" }, [section]: { [tag]: "¦" } })
  const { document, json } = documentOf(text)
  const list = await service.doComplete(document, document.positionAt(text.indexOf("¦")), json)
  const offered = new Map(list!.items.map(({ label, documentation }) => [label, said(documentation)]))
  const values = literalsOf(ast).length > 0 ? literalsOf(ast) : tagOf(ast)!.values
  for (const value of values)
    expect([value, offered.get(`"${value}"`)]).toEqual([value, expect.stringMatching(/.{10}/)])
})
