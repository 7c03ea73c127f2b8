/** Folders that are being removed: each has a hidden name beside its own until its files are gone, and no list shows it. */

const HIDDEN = /^\.removed-[0-9a-z]+-(.+)$/s

/** "reviews-1" → ".removed-mb3k1x9z-reviews-1", another one at each moment. */
export const removedName = (name: string): string => `.removed-${Date.now().toString(36)}-${name}`

/** The name that a folder had before it was removed; undefined: it was not. */
export const nameBeforeRemoval = (name: string): string | undefined => HIDDEN.exec(name)?.[1]
