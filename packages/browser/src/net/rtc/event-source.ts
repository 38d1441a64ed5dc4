/** An `EventTarget` whose events also go to handlers that are properties, as WebRTC's objects have: `onopen`. */
export class EventSource extends EventTarget {
  emit(type: string, properties: object = {}): void {
    const event = Object.assign(new Event(type), properties)
    const handler = (this as unknown as Record<string, unknown>)[`on${type}`]
    if (typeof handler === 'function') handler.call(this, event)
    this.dispatchEvent(event)
  }
}

export type Handler<Properties = object> = ((event: Event & Properties) => void) | null
