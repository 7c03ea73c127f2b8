/**
 * How much longer the parts of a tokenizer may make a text. A replacement of one character by a hundred is harmless, five of them one after
 * the other make a gigabyte of a letter. What is too long is refused after the part that made it or, where one part makes much of little,
 * while it does.
 */
import {
  Decoder,
  Normalizer,
  PreTokenizer,
  ReplaceDecoder,
  ReplaceNormalizer,
  ReplacePreTokenizer,
  type Unigram
} from "@huggingface/tokenizers"
import { limit, overLimit } from "../boundary/index.ts"

/** Limit on the number of characters into which a text may be expanded. */
export class Growth {
  #most = 0
  #left = 0

  /** Begins a new text, or pieces of one. */
  begin(texts: ReadonlyArray<string>): void {
    // what comes before and after a text does not grow with it
    this.#most = limit("tokenizer-growth") * charactersIn(texts) + 256
  }

  /** Runs a part and checks the length of its result. */
  run<Result extends string | ReadonlyArray<string>>(part: () => Result): Result {
    this.#left = this.#most
    const made = part()
    if (charactersIn(typeof made === "string" ? [made] : made) > this.#most) throw tooLong()
    return made
  }

  replace(text: string, pattern: RegExp, contentOf: (match: string) => string): string {
    this.#left -= text.length
    return text.replaceAll(pattern, (match) => {
      const content = contentOf(match)
      this.#left -= content.length
      if (this.#left < 0) throw tooLong()
      return content
    })
  }
}

const charactersIn = (texts: ReadonlyArray<string>): number => texts.reduce((sum, { length }) => sum + length, 0)

const tooLong = () =>
  new Error(`the tokenizer's parts make a text longer by more than ${overLimit("tokenizer-growth")}`)

/** Bounds the growth of a single part, not a sequence of parts. */
export const boundGrowth = (part: unknown, growth: Growth): void => {
  if (part instanceof ReplaceNormalizer) {
    part.normalize = replacing(part, growth)
  } else if (part instanceof ReplacePreTokenizer) {
    const replace = replacing(part, growth)
    part.pre_tokenize_text = (text) => [replace(text)]
  } else if (part instanceof ReplaceDecoder) {
    const replace = replacing(part, growth)
    part.decode_chain = (tokens) => tokens.map(replace)
  }
  if (part instanceof Normalizer) {
    const normalize = part.normalize.bind(part)
    part.normalize = (text) => growth.run(() => normalize(text))
  } else if (part instanceof PreTokenizer) {
    const cut = part.pre_tokenize.bind(part)
    part.pre_tokenize = (text, options) => growth.run(() => cut(text, options))
  } else if (part instanceof Decoder) {
    const decode = part.decode_chain.bind(part)
    part.decode_chain = (tokens) => growth.run(() => decode(tokens))
  }
}

/** Resets the limit at the beginning of each text, by wrapping a tokenizer's own part, which may be a sequence. */
export const beginGrowth = (part: unknown, growth: Growth): void => {
  if (part instanceof Normalizer) {
    const normalize = part.normalize.bind(part)
    part.normalize = (text) => {
      growth.begin([text])
      return normalize(text)
    }
  } else if (part instanceof PreTokenizer) {
    const cut = part.pre_tokenize.bind(part)
    part.pre_tokenize = (text, options) => {
      growth.begin(typeof text === "string" ? [text] : text)
      return cut(text, options)
    }
  } else if (part instanceof Decoder) {
    const decode = part.decode_chain.bind(part)
    part.decode_chain = (tokens) => {
      growth.begin(tokens)
      return decode(tokens)
    }
  }
}

/** Content that "$" means nothing in, as in the Rust library. */
const replacing = (
  { pattern, config }: { readonly pattern: RegExp | null; readonly config: { readonly content?: string } },
  growth: Growth
) => {
  const content = config.content ?? ""
  if (pattern === null) return (text: string) => text
  // one at most at every character: what is made of it is looked at afterwards
  if (content.length < 4 && !content.includes("$")) return (text: string) => text.replaceAll(pattern, content)
  return (text: string) => growth.replace(text, pattern, () => content)
}

/**
 * Bounds the work of a Unigram model, which compares each piece with all pieces that end where it begins. In a vocabulary of a, aa, aaa, …,
 * thousands of pieces begin and end at every position of a text of one letter.
 */
export const boundLattice = (model: Unigram): void => {
  const populate = model.populate_nodes.bind(model)
  model.populate_nodes = (lattice) => {
    const insert = lattice.insert.bind(lattice)
    let left = limit("lattice-steps") * lattice.chars.length
    lattice.insert = (at, length, score, id) => {
      insert(at, length, score, id)
      // pieces come in the order of their places, so all that end here are there
      left -= lattice.end_nodes[at]!.length + length
      if (left < 0) throw new Error(`the vocabulary takes more than ${overLimit("lattice-steps")} at each character`)
    }
    populate(lattice)
  }
  // the library gives the pieces of a word as arguments, of which engines take some hundred thousand
  model.encode = (words) => words.flatMap((word) => model.tokenize(word))
}
