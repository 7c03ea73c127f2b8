/**
 * A pushdown automaton over bytes: rules of nodes, where a node reads a byte, jumps to another node, or calls a rule and continues after
 * it. Parts are built from their end: each takes the node that follows it and returns the node at which it begins, so nothing has to
 * be connected later. Nodes that read characters create their edges on first use.
 */

/** An edge, which reads a byte from `from` to `to`. */
export interface Edge {
  readonly from: number
  readonly to: number
  readonly target: Node
}

/** A position in literal text, so that a special token that begins there can be found. */
export interface Spelled {
  readonly bytes: Uint8Array
  readonly at: number
  /** nodes of all positions, the end included */
  readonly nodes: ReadonlyArray<Node>
}

export interface Node {
  /** whether the rule may end here */
  readonly accepts: boolean
  edges: ReadonlyArray<Edge> | (() => ReadonlyArray<Edge>)
  jumps: ReadonlyArray<Node>
  call: { readonly rule: Rule; readonly then: Node } | null
  spelled: Spelled | null
}

export interface Rule {
  readonly start: Node
  /** place of the schema that describes it */
  readonly path: string
}

export const node = (fields: Partial<Node> = {}): Node => ({
  accepts: false,
  edges: [],
  jumps: [],
  call: null,
  spelled: null,
  ...fields
})

/** Returns the edges of a node, and creates them if needed. */
export const edgesOf = (from: Node): ReadonlyArray<Edge> => {
  if (typeof from.edges === "function") from.edges = from.edges()
  return from.edges
}

const utf8 = new TextEncoder()

export const either = (options: ReadonlyArray<Node>): Node =>
  options.length === 1 ? options[0]! : node({ jumps: options })

export const call = (rule: Rule, then: Node): Node => node({ call: { rule, then } })

/** Matches exactly this text; `spelled`: special tokens may produce it. */
export const text = (content: string, next: Node, spelled = false): Node => {
  const bytes = utf8.encode(content)
  const nodes: Array<Node> = [next]
  for (const byte of bytes.toReversed()) {
    nodes.unshift(node({ edges: [{ from: byte, to: byte, target: nodes[0]! }] }))
  }
  if (spelled) for (let at = 0; at < bytes.length; at++) nodes[at]!.spelled = { bytes, at, nodes }
  return nodes[0]!
}

/** Matches one of several texts, with shared prefixes. */
export const words = (contents: ReadonlyArray<string>, next: Node): Node =>
  branched(
    [...new Set(contents)].map((content) => utf8.encode(content)),
    0,
    next
  )

const branched = (all: ReadonlyArray<Uint8Array>, at: number, next: Node): Node => {
  const groups = new Map<number, Array<Uint8Array>>()
  for (const bytes of all) {
    if (at >= bytes.length) continue
    const group = groups.get(bytes[at]!)
    if (group === undefined) groups.set(bytes[at]!, [bytes])
    else group.push(bytes)
  }
  const ended = all.some(({ length }) => length === at)
  if (groups.size === 0 && ended) return next
  const edges = [...groups].map(([byte, group]) => ({ from: byte, to: byte, target: branched(group, at + 1, next) }))
  return node({ edges, jumps: ended ? [next] : [] })
}

/** Nodes that are reached from the starts of these rules, and these rules with those they call. */
const reached = (rules: ReadonlyArray<Rule>) => {
  const nodes = new Set<Node>()
  const called = new Set<Rule>(rules)
  const waiting = rules.map(({ start }) => start)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (nodes.has(next)) continue
    nodes.add(next)
    if (typeof next.edges !== "function") waiting.push(...next.edges.map(({ target }) => target))
    waiting.push(...next.jumps)
    if (next.call !== null) {
      called.add(next.call.rule)
      waiting.push(next.call.rule.start, next.call.then)
    }
  }
  return { nodes, called }
}

/**
 * Removes nodes that lead to no end, so that whatever the automaton reads can be completed. Returns the rules that cannot be completed
 * for a reason of their own, if the first rule cannot: [] means that the automaton accepts a text.
 */
export const prune = (first: Rule): ReadonlyArray<Rule> => {
  const { nodes, called } = reached([first])
  const alive = new Set<Node>()
  // nodes of characters lead to an end always: their finite automata have been pruned
  const lives = ({ accepts, edges, jumps, call: called }: Node) =>
    accepts ||
    typeof edges === "function" ||
    edges.some(({ target }) => alive.has(target)) ||
    jumps.some((target) => alive.has(target)) ||
    (called !== null && alive.has(called.rule.start) && alive.has(called.then))
  const order = [...nodes].reverse()
  for (let before = -1; before < alive.size; ) {
    before = alive.size
    for (const each of order) if (!alive.has(each) && lives(each)) alive.add(each)
  }
  const dead = (rule: Rule) => !alive.has(rule.start)
  if (dead(first)) {
    const alone = (rule: Rule) => [...reached([rule]).called].every((other) => other === rule || !dead(other))
    const blamed = [...called].filter((rule) => dead(rule) && alone(rule))
    return blamed.length > 0 ? blamed : [first]
  }
  for (const each of nodes) {
    if (typeof each.edges !== "function") each.edges = each.edges.filter(({ target }) => alive.has(target))
    each.jumps = each.jumps.filter((target) => alive.has(target))
    if (each.call !== null && !(alive.has(each.call.rule.start) && alive.has(each.call.then))) each.call = null
  }
  return []
}
