/** Numbers for people: three or four significant digits with their units, – where there is none. */

const missing = "–"

/** 0.0001 → 1e-4, 1234567 → 1.23e6, 0.53912 → 0.539. */
export const number = (value: number | null | undefined, digits = 3): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6))
    return `${Number(value.toPrecision(digits)).toExponential()}`.replace("e+", "e")
  return `${Number(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(size + 1)))))}`
}

/** A loss or score, with as many decimals as its neighbours: 0.3 → 0.300. */
export const fixed = (value: number | null | undefined, decimals = 3): string =>
  value === null || value === undefined || !Number.isFinite(value) ? missing : value.toFixed(decimals)

/** With a capital letter, for the beginning of a line. */
export const capital = (label: string): string => `${label.slice(0, 1).toUpperCase()}${label.slice(1)}`

/** 1234567 → 1,234,567. */
export const count = (value: number): string => value.toLocaleString("en")

/** 0.8725 → 87.3 %. */
export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined || !Number.isFinite(share) ? missing : `${(100 * share).toFixed(1)} %`

/** Seconds as 3.2 s, 4 min 5 s, 2 h 3 min. */
export const duration = (seconds: number): string => {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** The same as a terminal's line has it: 42 s, 4 min 5 s. */
export const shortDuration = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
