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
  | {
      readonly kind: "text"
      /** exactly this text; special tokens may write it */
      readonly text: string
    }
  | {
      readonly kind: "json"
      /** JSON Schema of the value that is written */
      readonly schema: unknown
      /** how it is written */
      readonly style?: JsonStyle
    }
  /** The members of an object without its braces, as in `f(a=1, b=2)`. */
  | {
      readonly kind: "members"
      /** JSON Schema of the object */
      readonly schema: unknown
      /** between a member's name and its value */
      readonly equals: string
      /** between two members */
      readonly comma: string
      /** how values are written */
      readonly style?: JsonStyle
    }
  | {
      readonly kind: "sequence"
      /** one after the other */
      readonly parts: ReadonlyArray<Grammar>
    }
  /** Any text, and then perhaps what an opening begins. */
  | {
      readonly kind: "after-text"
      /** none of them is in the text */
      readonly openings: ReadonlyArray<string>
      /** what may follow the text; it begins with one of the openings */
      readonly body: Grammar
    }
  | {
      readonly kind: "choice"
      /** one of them */
      readonly options: ReadonlyArray<Grammar>
    }
  | {
      readonly kind: "repeat"
      /** what is repeated */
      readonly body: Grammar
      /** between two repetitions */
      readonly between: string
      /** repetitions, at least; 0 or more */
      readonly min: number
      /** repetitions, at most; null: without end */
      readonly max: number | null
    }
