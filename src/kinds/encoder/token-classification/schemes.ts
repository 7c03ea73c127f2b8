/**
 * Schemes by which a label per word names entities: "B-place" is the first word of a place.
 *
 *            Anna   lives  in   New      York     City
 *   IO       I-per  O      O    I-place  I-place  I-place     neighbours of one type are one entity
 *   BIO      B-per  O      O    B-place  I-place  I-place
 *   BIOES    S-per  O      O    B-place  I-place  E-place
 */

/** An entity in a sequence of words: `start` inclusive, `end` exclusive. */
export interface Entity {
  readonly type: string
  readonly start: number
  readonly end: number
}

/** Prefixes of an entity's words by their place in it; `single` of one that is a single word. */
export const schemes = {
  IO: { first: "I", inside: "I", last: "I", single: "I" },
  BIO: { first: "B", inside: "I", last: "I", single: "B" },
  BIOES: { first: "B", inside: "I", last: "E", single: "S" }
} as const

export type Scheme = keyof typeof schemes

/** The label of words that belong to no entity. */
export const OUTSIDE = "O"

const prefixesOf = (scheme: Scheme): ReadonlyArray<string> => {
  const { first, inside, last, single } = schemes[scheme]
  return [...new Set([first, inside, last, single])]
}

/** Returns all labels of a scheme over types of entities, the outside label first. */
export const schemeLabels = (types: ReadonlyArray<string>, scheme: Scheme): ReadonlyArray<string> => [
  OUTSIDE,
  ...types.flatMap((type) => prefixesOf(scheme).map((prefix) => `${prefix}-${type}`))
]

/** The type of a bare "B" is "_", as seqeval has it. */
const parse = (label: string): { readonly prefix: string; readonly type: string } => {
  const at = label.indexOf("-")
  return { prefix: label[0] ?? "", type: (at < 0 ? label.slice(1) : label.slice(at + 1)) || "_" }
}

/**
 * Returns the scheme of labels; undefined if they are not all outside or a prefix, a hyphen and a type. Labels that only ever have I are IO.
 */
export const schemeOf = (labels: Iterable<string>): Scheme | undefined => {
  const used = new Set<string>()
  for (const label of labels) {
    if (label === OUTSIDE) continue
    if (!/^[BIES]-./u.test(label)) return undefined
    used.add(label[0]!)
  }
  if (used.has("E") || used.has("S")) return "BIOES"
  return used.has("B") ? "BIO" : "IO"
}

/** Whether one label may follow another; null is before the first word and after the last. */
export const mayFollow = (before: string | null, after: string | null, scheme: Scheme): boolean => {
  const { first, inside, last, single } = schemes[scheme]
  const [a, b] = [before, after].map((label) => (label === null || label === OUTSIDE ? null : parse(label)))
  const ended = a == null || a.prefix === last || a.prefix === single
  const begun = b == null || b.prefix === first || b.prefix === single
  if (ended && begun) return true
  if (a == null || b == null || a.type !== b.type) return false
  return (a.prefix === first || a.prefix === inside) && (b.prefix === inside || b.prefix === last)
}

/** Returns a label of IOB1 as one of BIO: in IOB1 an entity begins with I, and with B only right after another of its type. */
export const bioOfIob1 = (before: string | null, label: string): string => {
  const [a, b] = [parse(before ?? OUTSIDE), parse(label)]
  return b.prefix !== "I" || (a.prefix !== OUTSIDE && a.type === b.type) ? label : `B-${b.type}`
}

/** Checks whether neighbouring labels are those of IOB1 and not of BIO: some entities begin with I, and each B is right after its own type. */
export const isIob1 = (pairs: ReadonlyArray<readonly [before: string | null, label: string]>): boolean =>
  pairs.some(([before, label]) => bioOfIob1(before, label) !== label) &&
  pairs.every(([before, label]) => parse(label).prefix !== "B" || bioOfIob1(before, `I${label.slice(1)}`) !== label)

/** Returns the first place at which labels are impossible in a scheme, `labels.length` for an entity that does not end; undefined if none is. */
export const firstImpossible = (labels: ReadonlyArray<string>, scheme: Scheme): number | undefined => {
  for (let at = 0; at <= labels.length; at++)
    if (!mayFollow(labels[at - 1] ?? null, labels[at] ?? null, scheme)) return at
  return undefined
}

/**
 * Returns the entities of labels in any scheme, as conlleval and seqeval read them: an entity also begins where a label is impossible, so that
 * every word with a prefix belongs to one.
 */
export const entitiesOf = (labels: ReadonlyArray<string>): ReadonlyArray<Entity> => {
  const entities: Array<Entity> = []
  let [before, start] = [parse(OUTSIDE), 0]
  for (const [at, label] of [...labels, OUTSIDE].entries()) {
    const here = parse(label)
    if ("BSO".includes(here.prefix) || "ESO".includes(before.prefix) || here.type !== before.type) {
      if (before.prefix !== OUTSIDE) entities.push({ type: before.type, start, end: at })
      start = at
    }
    before = here
  }
  return entities
}

/** Returns the entities of labels that are possible in a scheme from first to last word (seqeval's strict mode); others are left out. */
export const strictEntitiesOf = (labels: ReadonlyArray<string>, scheme: Scheme): ReadonlyArray<Entity> => {
  const { first, inside, last, single } = schemes[scheme]
  const parsed = labels.map(parse)
  const entities: Array<Entity> = []
  for (let start = 0; start < parsed.length; ) {
    const { prefix, type } = parsed[start]!
    let end = start + 1
    if (prefix === first || prefix === single) {
      const continues = () => {
        const [a, b] = [parsed[end - 1]!.prefix, parsed[end]]
        return (a === first || a === inside) && b?.type === type && (b.prefix === inside || b.prefix === last)
      }
      while (continues()) end++
      const ending = parsed[end - 1]!.prefix
      if (ending === last || ending === single) entities.push({ type, start, end })
    }
    start = end
  }
  return entities
}

/** Returns the labels of entities, which do not overlap, over `length` words. */
export const labelsOf = (entities: ReadonlyArray<Entity>, length: number, scheme: Scheme): ReadonlyArray<string> => {
  const { first, inside, last, single } = schemes[scheme]
  const labels = Array<string>(length).fill(OUTSIDE)
  for (const { type, start, end } of entities) {
    labels.fill(`${inside}-${type}`, start, end)
    labels[start] = `${first}-${type}`
    labels[end - 1] = `${end - start === 1 ? single : last}-${type}`
  }
  return labels
}

/**
 * Returns the most probable possible sequence (Viterbi without transition scores): of each word the index of its label.
 * `scores`: logits or their logarithms of probability, [words, labels], row-major.
 */
export const bestLabels = (
  scores: ArrayLike<number>,
  labels: ReadonlyArray<string>,
  scheme: Scheme
): ReadonlyArray<number> => {
  const [width, words] = [labels.length, scores.length / labels.length]
  const before = labels.map((label) => labels.flatMap((other, i) => (mayFollow(other, label, scheme) ? [i] : [])))
  let totals = labels.map((label, i) => (mayFollow(null, label, scheme) ? scores[i]! : Number.NEGATIVE_INFINITY))
  const best = (from: ReadonlyArray<number>) => from.reduce((a, b) => (totals[b]! > totals[a]! ? b : a))
  const choices: Array<ReadonlyArray<number>> = []
  for (let word = 1; word < words; word++) {
    const chosen = before.map(best)
    totals = chosen.map((from, i) => totals[from]! + scores[word * width + i]!)
    choices.push(chosen)
  }
  if (words === 0) return []
  const path = [best(labels.flatMap((label, i) => (mayFollow(label, null, scheme) ? [i] : [])))]
  for (const chosen of choices.reverse()) path.push(chosen[path.at(-1)!]!)
  return path.reverse()
}

/** Returns the types of entities of labels, sorted; labels without a scheme are their own types. */
export const typesOf = (labels: ReadonlyArray<string>): ReadonlyArray<string> => {
  const isScheme = schemeOf(labels) !== undefined
  const types = labels.flatMap((label) => (!isScheme ? [label] : label === OUTSIDE ? [] : [parse(label).type]))
  return [...new Set(types)].sort()
}
