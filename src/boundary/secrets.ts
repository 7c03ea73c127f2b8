/** URLs as they may be printed and stored. */

const hidden = "***"

/** A parameter whose name says that its value is secret, or whose name is itself encoded. */
const secretParameter = /[?&;#][^=?&;#]*(?:user|pass|pwd|secret|token|key|auth|cred|sig|%)[^=?&;#]*=/i

/**
 * A URL without its user name and password and without the values of secret parameters, each replaced by `***`. What is given need not
 * be a valid URL: a password that is not encoded may hold any character, so everything before the last "@" is hidden, everything after
 * the first secret parameter, and where that is ambiguous, all of it. `sqlite:` and `file:` have neither and stay as they are.
 *
 *   postgres://me:se/cret@host/db?password=x → postgres://***@host/db?password=***
 */
export const withoutSecrets = (url: string): string => {
  if (/^(sqlite|file):/i.test(url)) return url
  const [, scheme = "", rest = ""] = /^([a-z][a-z\d+.-]*:\/+)?(.*)$/is.exec(url) ?? []
  const at = rest.lastIndexOf("@")
  const parameter = secretParameter.exec(rest)
  if (parameter !== null && at > parameter.index) return `${scheme}${hidden}`
  // "user:password" where the host was forgotten
  if (at < 0 && !/^(\[[^\]]*\]|[^:/?#]*)(:\d*)?([/?#]|$)/.test(rest)) return `${scheme}${hidden}`
  const end = parameter === null ? rest.length : parameter.index + parameter[0].length
  return `${scheme}${at < 0 ? "" : `${hidden}@`}${rest.slice(at + 1, end)}${parameter === null ? "" : hidden}`
}

/** A text with every URL in it so. USER:PASSWORD stays: it is what a message calls what belongs there. */
export const withoutSecretsIn = (text: string): string =>
  text.replaceAll(/[a-z][a-z\d+.-]{0,30}:\/\/(?!USER:PASSWORD@)[^\s"'`]*[^\s"'`.,:;)]/gi, (url) => withoutSecrets(url))

/** An argument of a command line as it may be shown: `postgres://…`, or `--storage=postgres://…`. */
export const shownArgument = (argument: string): string =>
  argument.includes("://")
    ? argument.replace(/^((?:[\w.-]+=)*)(.*)$/s, (_, name, url) => name + withoutSecrets(url))
    : argument
