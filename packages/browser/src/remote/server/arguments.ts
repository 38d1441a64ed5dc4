import type { Body } from '@peerfold/core'
import { type Arguments, malformed, type WireBody } from '../wire.js'
import type { ServerExchange } from './exchange.js'

/** Arguments as methods need them. All throw `MESSAGE_INVALID`. */

export function text(args: Arguments, name: string): string {
  const value = args[name]
  if (typeof value !== 'string') throw malformed(`${name} is text`)
  return value
}

export function optionalText(args: Arguments, name: string): string | undefined {
  return args[name] === undefined ? undefined : text(args, name)
}

export function number(args: Arguments, name: string): number {
  const value = args[name]
  if (typeof value !== 'number') throw malformed(`${name} is a number`)
  return value
}

export function optionalNumber(args: Arguments, name: string): number | undefined {
  return args[name] === undefined ? undefined : number(args, name)
}

export function optionalFlag(args: Arguments, name: string): boolean | undefined {
  const value = args[name]
  if (value !== undefined && typeof value !== 'boolean') throw malformed(`${name} is true or false`)
  return value
}

export function optionalDate(args: Arguments, name: string): Date | undefined {
  const value = args[name]
  if (value !== undefined && !(value instanceof Date)) throw malformed(`${name} is a date`)
  return value
}

export function optionalTexts(args: Arguments, name: string): string[] | undefined {
  const value = args[name]
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw malformed(`${name} is a list of texts`)
  return value
}

export function body(args: Arguments, exchange: ServerExchange): Body {
  const wire = args.body as Partial<WireBody & Record<string, unknown>> | null | undefined
  if (wire?.kind === 'text' && typeof wire.text === 'string') return wire.text
  if (wire?.kind === 'bytes' && wire.bytes instanceof Uint8Array) return wire.bytes
  if (wire?.kind === 'blob' && wire.blob instanceof Blob) return wire.blob
  if (wire?.kind === 'input') return exchange.input()
  throw malformed('no body')
}
