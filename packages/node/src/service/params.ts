import { PeerfoldError } from '@peerfold/core'

export function text(params: Record<string, unknown>, name: string): string {
  const value = params[name]
  if (typeof value !== 'string') throw new PeerfoldError('INVALID_ARGUMENT', `${name} is missing`)
  return value
}

/** Undefined where there is none. */
export function optionalText(params: Record<string, unknown>, name: string): string | undefined {
  return params[name] === undefined ? undefined : text(params, name)
}
