/**
 * The library's BertNormalizer puts spaces around ideographs, each of which is a word of its own, but looks at UTF-16 code units: those
 * beyond U+FFFF, which are two, it does not find. The Rust library, with which models are trained, does.
 */
import type { BertNormalizer } from "@huggingface/tokenizers"

/** As the Rust library has them: a part of Extension E, U+2B820 to U+2B91F, is missing there too. */
const ideographs = /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu

/** Has a normalizer do it for all ideographs, if it does it at all. */
export const spaceIdeographs = (normalizer: BertNormalizer): void => {
  if (normalizer.config.handle_chinese_chars !== true) return
  const normalize = normalizer.normalize.bind(normalizer)
  normalizer.normalize = (text) => normalize(text.replaceAll(ideographs, " $& "))
}
