/** Grammars of texts: parts that follow one another, some of which are JSON values with a schema. */

/** Style of JSON where its syntax leaves a choice. */
export interface JsonStyle {
  /** separator of members and elements; default: a comma, then at most one space */
  readonly comma?: string
  /** separator of a name and its value; default: a colon, then at most one space */
  readonly colon?: string
  /** spellings of true, false and null; default: JSON's (Python's are True, False and None) */
  readonly literals?: readonly [yes: string, no: string, nothing: string]
}

/** A grammar, which describes the texts that are allowed. */
export type Grammar =
  | {
      readonly kind: "text"
      /** exactly this text; special tokens may produce it */
      readonly text: string
    }
  | {
      readonly kind: "json"
      /** JSON Schema of the value */
      readonly schema: unknown
      /** style of the JSON */
      readonly style?: JsonStyle
    }
  /** Members of an object without its braces, as in `f(a=1, b=2)`. */
  | {
      readonly kind: "members"
      /** JSON Schema of the object */
      readonly schema: unknown
      /** separator of a member's name and its value */
      readonly equals: string
      /** separator of two members */
      readonly comma: string
      /** style of the values */
      readonly style?: JsonStyle
    }
  | {
      readonly kind: "sequence"
      /** parts in sequence */
      readonly parts: ReadonlyArray<Grammar>
    }
  /** Any text, optionally followed by a body that starts with an opening. */
  | {
      readonly kind: "after-text"
      /** openings, none of which occurs in the text */
      readonly openings: ReadonlyArray<string>
      /** grammar that may follow the text; it begins with one of the openings */
      readonly body: Grammar
    }
  | {
      readonly kind: "choice"
      /** alternatives */
      readonly options: ReadonlyArray<Grammar>
    }
  | {
      readonly kind: "repeat"
      /** grammar to repeat */
      readonly body: Grammar
      /** separator of two repetitions */
      readonly between: string
      /** smallest number of repetitions, at least 0 */
      readonly min: number
      /** largest number of repetitions; null: unlimited */
      readonly max: number | null
    }
