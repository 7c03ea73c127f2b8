/**
 * Formats quantities, one function for each, as the terminal, the studio, reports, model cards and messages show them. A value that is missing or not
 * finite is "–".
 */

type Value = number | null | undefined

const missing = "–"

const isNumber = (value: Value): value is number => typeof value === "number" && Number.isFinite(value)

const format = (value: Value, inWords: (value: number) => string): string =>
  isNumber(value) ? inWords(value) : missing

/** Formats a share with one decimal: 0.8725 → "87.3 %". Only 0 is "0.0 %" and only 1 is "100.0 %": close to them, "< 0.1 %" and "> 99.9 %". */
export const percent = (share: Value): string =>
  format(share, (part) => {
    if (part > 0 && part < 0.0005) return "< 0.1 %"
    if (part < 1 && part >= 0.9995) return "> 99.9 %"
    return `${(100 * part).toFixed(1)} %`
  })

/** Formats a loss, or a metric that is not a share, with three decimals: 0.3 → "0.300"; a smaller value than they show as "4.2e-5". */
export const score = (value: Value): string =>
  format(value, (exact) => (exact !== 0 && Math.abs(exact) < 5e-4 ? scientific(exact, 2) : exact.toFixed(3)))

const withoutPlus = (text: string): string => text.replace("e+", "e")

/** Formats a learning rate or a difference of floats: scientific below 0.1 (0.002 → "2e-3"), else decimal. `digits`: significant ones; default all. */
export const scientific = (value: Value, digits?: number): string =>
  format(value, (exact) => {
    const rounded = digits === undefined ? exact : Number(exact.toPrecision(digits))
    return rounded === 0 || Math.abs(rounded) >= 0.1 ? withoutPlus(`${rounded}`) : rounded.toExponential()
  })

/** Formats any other number with `digits` significant digits, default 3: 0.53912 → "0.539", 0.0001 → "1e-4", 1234567 → "1.23e6". */
export const number = (value: Value, digits = 3): string =>
  format(value, (exact) => {
    const size = Math.abs(exact)
    if (size !== 0 && (size < 1e-3 || size >= 1e6))
      return withoutPlus(Number(exact.toPrecision(digits)).toExponential())
    return `${Number(exact.toPrecision(Math.max(digits, Math.ceil(Math.log10(size + 1)))))}`
  })

const byteUnits = ["B", "kB", "MB", "GB", "TB"] as const

/** Formats bytes with three significant digits: "812 B", "41.2 kB", "2.31 MB", "540 MB". A kB is 1000 bytes. */
export const byteSize = (bytes: Value): string =>
  format(bytes, (all) => {
    let unit = 0
    let size = all
    // 999.5 kB would be rounded to 1000 kB
    for (; size >= 999.5 && unit < byteUnits.length - 1; unit++) size /= 1000
    return `${Number(size.toPrecision(3))} ${byteUnits[unit]}`
  })

/** Formats a measured time, in seconds: "12 ms", "3.2 s", "42 s", "4 min 5 s", "2 h 3 min". */
export const duration = (seconds: Value): string =>
  format(seconds, (exact) => {
    if (exact === 0) return "0 s"
    if (exact < 0.9995) return `${Math.max(1, Math.round(1000 * exact))} ms`
    if (exact < 9.95) return `${exact.toFixed(1)} s`
    const whole = Math.round(exact)
    if (whole < 60) return `${whole} s`
    return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : hoursAndMinutes(exact)
  })

const hoursAndMinutes = (seconds: number): string => {
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Formats an estimated time, in seconds, rounded up: "42 s" below a minute and a half, then "5 min", "2 h 3 min". */
export const roughDuration = (seconds: Value): string =>
  format(seconds, (exact) => {
    if (exact < 90) return `${Math.ceil(exact)} s`
    const minutes = Math.ceil(exact / 60)
    return minutes < 90 ? `${minutes} min` : hoursAndMinutes(60 * minutes)
  })
