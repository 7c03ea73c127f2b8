/** Removes secrets from URLs before they are printed or stored. */

const hidden = "***"

/** A parameter whose name suggests a secret value, or whose name is itself encoded. */
const secretParameter = /[?&;#][^=?&;#]*(?:user|pass|pwd|secret|token|key|auth|cred|sig|%)[^=?&;#]*=/i

/**
 * Returns a URL without its user name and password and without the values of secret parameters, each replaced by `***`. The argument need not
 * be a valid URL: an unencoded password may contain any character, so everything before the last "@" is hidden, everything after
 * the first secret parameter, and in ambiguous cases the whole text. `sqlite:` and `file:` URLs have no credentials and stay unchanged.
 *
 *   postgres://me:se/cret@host/db?password=x → postgres://***@host/db?password=***
 */
export const withoutSecrets = (url: string): string => {
  if (/^(sqlite|file):/i.test(url)) return url
  const [, scheme = "", rest = ""] = /^([a-z][a-z\d+.-]*:\/+)?(.*)$/is.exec(url) ?? []
  const at = rest.lastIndexOf("@")
  const parameter = secretParameter.exec(rest)
  if (parameter !== null && at > parameter.index) return `${scheme}${hidden}`
  // "user:password" without a host
  if (at < 0 && !/^(\[[^\]]*\]|[^:/?#]*)(:\d*)?([/?#]|$)/.test(rest)) return `${scheme}${hidden}`
  const end = parameter === null ? rest.length : parameter.index + parameter[0].length
  return `${scheme}${at < 0 ? "" : `${hidden}@`}${rest.slice(at + 1, end)}${parameter === null ? "" : hidden}`
}

/** Applies this to every URL in a text. Keeps the literal USER:PASSWORD, a placeholder in messages. */
export const withoutSecretsIn = (text: string): string =>
  text.replaceAll(/[a-z][a-z\d+.-]{0,30}:\/\/(?!USER:PASSWORD@)[^\s"'`]*[^\s"'`.,:;)]/gi, (url) => withoutSecrets(url))

/** Returns a command-line argument without secrets: `postgres://…`, or `--storage=postgres://…`. */
export const shownArgument = (argument: string): string =>
  argument.includes("://")
    ? argument.replace(/^((?:[\w.-]+=)*)(.*)$/s, (_, name, url) => name + withoutSecrets(url))
    : argument
