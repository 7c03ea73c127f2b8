/** Values by a plan's JSON Schema, as an editor would write them, with hostile ones among them. */
import schema from "../../../schemas/run-plan.schema.json" with { type: "json" }
import { among, list, type Made, one, seldom, size, sound, text } from "../grammar.ts"
import { below } from "../mutate.ts"

interface Node {
  readonly $ref?: string
  readonly anyOf?: ReadonlyArray<Node>
  readonly enum?: ReadonlyArray<unknown>
  readonly type?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: ReadonlyArray<string>
  readonly items?: Node | boolean
  readonly prefixItems?: ReadonlyArray<Node>
  readonly additionalProperties?: Node | boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

export const definitions = schema.$defs as unknown as Readonly<Record<string, Node>>

/** What a file name or pattern in a plan should be, so that plans get further than the first missing file. */
const known: Readonly<Record<string, Made<unknown>>> = {
  source: seldom(20, among("nowhere"), among("bert")),
  train: among("rows.csv"),
  validation: seldom<unknown>(20, size, among<unknown>(0.25, "rows.csv")),
  test: among("rows.csv"),
  directory: among("out"),
  targets: among<unknown>(
    "attention",
    "mlp",
    ["**.query"],
    ["*".repeat(300)],
    [`${"*a".repeat(200)}b`],
    ["**.**.**.**"]
  )
}

export const ofNode = (node: Node, key: string): Made<unknown> => {
  const { $ref, anyOf, type } = node
  if ($ref !== undefined) return (random) => ofNode(definitions[$ref.split("/").at(-1)!]!, key)(random)
  if (key in known) return sound(known[key]!)
  if (anyOf !== undefined) return one(...anyOf.map((choice) => ofNode(choice, key)))
  if (node.enum !== undefined) return sound(among(...node.enum), 60)
  if (type === "object") return sound(ofObject(node), 80)
  if (type === "array") return sound(ofArray(node, key))
  if (type === "integer") return sound((random) => Math.max(node.minimum ?? 0, size(random)))
  if (type === "number") {
    const least = node.minimum ?? node.exclusiveMinimum ?? 0
    return sound(
      seldom(40, among(least, node.maximum ?? 1, 1e-300, 1e300), among(least + 1e-5, least + 0.1, least + 0.5))
    )
  }
  if (type === "boolean") return sound(among(true, false))
  if (type === "null") return () => null
  return sound(text)
}

const ofObject =
  ({ properties = {}, required = [] }: Node): Made<unknown> =>
  (random) => {
    const entries = Object.entries(properties).flatMap(([key, node]) =>
      random() < (required.includes(key) ? 0.99 : 0.3) ? [[key, ofNode(node, key)(random)] as const] : []
    )
    // a plan has one of them
    if ("steps" in properties && "epochs" in properties && random() < 0.97) {
      const other = random() < 0.5 ? "steps" : "epochs"
      const length = other === "steps" ? "epochs" : "steps"
      return Object.fromEntries([
        ...entries.filter(([key]) => key !== other && key !== length),
        [length, 1 + below(9, random)]
      ])
    }
    const more = random() < 0.03 ? [[text(random), size(random)] as const] : []
    return Object.fromEntries([...entries, ...more])
  }

const ofArray = ({ items, prefixItems }: Node, key: string): Made<unknown> =>
  prefixItems === undefined
    ? seldom(
        50,
        list(ofNode(typeof items === "object" ? items : {}, key), 400),
        list(ofNode(typeof items === "object" ? items : {}, key), 4, 1)
      )
    : (random) => prefixItems.map((item) => ofNode(item, key)(random))
