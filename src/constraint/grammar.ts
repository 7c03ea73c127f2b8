/** What a text may be: parts that follow one another, of which some are JSON values by a schema. */

/** How JSON is written where its grammar leaves a choice. */
export interface JsonStyle {
  /** between members and elements; default: a comma, then at most one space */
  readonly comma?: string
  /** after a name; default: a colon, then at most one space */
  readonly colon?: string
  /** spellings of true, false and null; default: JSON's (Python's are True, False and None) */
  readonly literals?: readonly [yes: string, no: string, nothing: string]
}

/** A language of texts, as a value. */
export type Grammar =
  /** exactly this text */
  | { readonly kind: "text"; readonly text: string }
  /** a JSON value that a JSON Schema allows */
  | { readonly kind: "json"; readonly schema: unknown; readonly style?: JsonStyle }
  /**
   * The members of an object without its braces: `key(name)`, the value, `comma` between two of them, as in `f(a=1, b=2)`. `schema`
   * describes the object.
   */
  | {
      readonly kind: "members"
      readonly schema: unknown
      readonly key: (name: string) => string
      readonly comma: string
      readonly style?: JsonStyle
    }
  | { readonly kind: "sequence"; readonly parts: ReadonlyArray<Grammar> }
  /** a text that holds none of the openings, and then perhaps `body`, which begins with one of them */
  | { readonly kind: "after-text"; readonly openings: ReadonlyArray<string>; readonly body: Grammar }
  | { readonly kind: "choice"; readonly options: ReadonlyArray<Grammar> }
  /** at least `min` times, at most `max`; null: without end */
  | {
      readonly kind: "repeat"
      readonly body: Grammar
      readonly between: string
      readonly min: number
      readonly max: number | null
    }
